"""Reads images of lines with every network of a checkpoint, as they will be served."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.batching import InputOrder, WidthBatch, WidthBatcher
from runtime.errors import ImageError
from runtime.images.read import read_image
from runtime.infer.table import display_width, printable
from runtime.recognition.ctc import DecodedLine, best_path, decode_best_path
from runtime.recognition.preprocess import Image, batch_from_lines, prepare_line
from runtime.recognition.spec import RecognizerSpec

if TYPE_CHECKING:
    from training.run import Run


@dataclass(frozen=True)
class Prediction:
    """What the networks read in an image.

    Args:
        file: its path.
        lines: the reading of each network; one network alone has an empty name.
        error: why the image could not be read, else None.
    """

    file: str
    lines: Mapping[str, DecodedLine] = field(default_factory=dict)
    error: str | None = None

    def as_json(self) -> Mapping[str, Any]:
        """Return text and confidence of each network, and the error if there is one."""
        lines = {
            name: {"text": line.text, "confidence": line.confidence}
            for name, line in self.lines.items()
        }
        return {"file": self.file, "networks": lines, "error": self.error}


def predict(run: Run, files: Iterable[str], spec: RecognizerSpec) -> Iterator[Prediction]:
    """Read images with every network of a run, by the path that serves in production.

    Args:
        run: trained.
        files: image files.
        spec: of the deployed model.

    Returns:
        A prediction for each file, in order, while they are read.
    """
    batch_size = run.plan.evaluation.loader.batch_size_per_card
    batcher: WidthBatcher[tuple[str, Image]] = WidthBatcher(batch_size)
    order: InputOrder[Prediction] = InputOrder()

    def take(batches: Iterable[WidthBatch[tuple[str, Image]]]) -> None:
        for batch in batches:
            predictions = _predict_batch(run, spec, batch)
            for position, prediction in zip(batch.positions, predictions, strict=True):
                order.put(position, prediction)

    run.model.eval()
    for position, file in enumerate(files):
        try:
            line = prepare_line(read_image(file), spec)
        except ImageError as error:
            order.put(position, Prediction(file, error=str(error)))
            take(batcher.skip(position))
        else:
            take(batcher.add(position, spec.width.input_width(line.shape[1]), (file, line)))
        yield from order.ready()
    take(batcher.flush())
    yield from order.ready()


def _predict_batch(
    run: Run, spec: RecognizerSpec, batch: WidthBatch[tuple[str, Image]]
) -> list[Prediction]:
    import paddle

    images = paddle.to_tensor(
        batch_from_lines([line for _, line in batch.lines], batch.width, spec.mean, spec.std)
    )
    with paddle.no_grad():
        decoded = {
            name: decode_best_path(*best_path(network.deployed(images).numpy()), spec.charset)
            for name, network in run.networks.items()
        }
    return [
        Prediction(file, {name: lines[row] for name, lines in decoded.items()})
        for row, (file, _) in enumerate(batch.lines)
    ]


def table(predictions: Sequence[Prediction]) -> str:
    """Return a row for each file with text and confidence by each network, aligned."""
    read = (prediction.lines for prediction in predictions if prediction.lines)
    networks = list(next(read, {"": None}))
    rows = [["file", *(cell for name in networks for cell in (name or "text", "confidence"))]]
    for prediction in predictions:
        cells = [printable(prediction.file)]
        if prediction.error is not None:
            cells.append(f"error: {printable(prediction.error)}")
        else:
            for line in (prediction.lines[name] for name in networks):
                cells += [printable(line.text), f"{line.confidence:10.3f}"]
        rows.append(cells)
    # A reason of an error may stick out: it widens no column.
    widths = [
        max(display_width(row[column]) for row in rows if len(row) == len(rows[0]))
        for column in range(len(rows[0]))
    ]
    widths[0] = max(display_width(row[0]) for row in rows)
    return "\n".join(
        "  ".join(
            cell + " " * (width - display_width(cell))
            for cell, width in zip(row, widths, strict=False)
        ).rstrip()
        for row in rows
    )


def results_text(predictions: Iterable[Prediction]) -> str:
    """Return PaddleOCR's result file: a line for each image that was read.

    `path<TAB>{"Student": {"label": …, "score": …}, …}`, or for one network
    `path<TAB>text<TAB>score`.

    Source: PaddleOCR `tools/infer_rec.py`.
    """
    rows = []
    for prediction in predictions:
        if prediction.error is not None:
            continue
        if set(prediction.lines) == {""}:
            line = prediction.lines[""]
            reading = f"{printable(line.text)}\t{line.confidence}"
        else:
            scores = {
                name: {"label": line.text, "score": line.confidence}
                for name, line in prediction.lines.items()
            }
            reading = json.dumps(scores, ensure_ascii=False)
        rows.append(f"{printable(prediction.file)}\t{reading}\n")
    return "".join(rows)
