"""Reads images with every network of a checkpoint, as they will be served.

    python -m training.predict -c configs/….yml -o Global.checkpoints=output/best_accuracy images/

Exit status: 0 all images were read; 1 some could not be; 2 nothing could be done.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.batching import InputOrder, WidthBatch, WidthBatcher
from runtime.errors import ConfigError, ImageError
from runtime.images.read import find_images, read_image
from runtime.infer.table import display_width, printable
from runtime.recognition.ctc import DecodedLine, best_path, decode_best_path
from runtime.recognition.preprocess import Image, batch_from_lines, prepare_line
from runtime.recognition.spec import RecognizerSpec
from runtime.standard_streams import say
from training.command import DONE, SOME_FAILED, run_command
from training.files import write_atomically
from training.output_folder import refuse_unwritable_file

if TYPE_CHECKING:
    from training.config import Config
    from training.run import Run

_SINGLE = "text"


@dataclass(frozen=True)
class Prediction:
    """What the networks read in one image.

    Args:
        file: its path.
        lines: the reading of each network; one network alone has an empty name.
        error: why the image could not be read, else None.
    """

    file: str
    lines: Mapping[str, DecodedLine] = field(default_factory=dict)
    error: str | None = None


def predict(run: Run, files: Iterable[str]) -> Iterator[Prediction]:
    """Read images with every network of a run, by the path that serves in production.

    Args:
        run: trained.
        files: image files.

    Returns:
        A prediction for each file, in order, while they are read.
    """
    from training.data.build import deployed_input, loader_options

    section = run.config.sections["Eval"]
    height, width_policy = deployed_input(section, "Eval")
    spec = RecognizerSpec(run.charset.characters, height=height, width=width_policy)
    batch_size = loader_options(section, "Eval").batch_size_per_card
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
            take(batcher.add(position, width_policy.input_width(line.shape[1]), (file, line)))
        yield from order.ready()
    take(batcher.flush())
    yield from order.ready()


def _predict_batch(
    run: Run, spec: RecognizerSpec, batch: WidthBatch[tuple[str, Image]]
) -> list[Prediction]:
    import paddle

    from training.networks import DistillationModel

    networks: dict[str, Any] = (
        run.model.networks if isinstance(run.model, DistillationModel) else {"": run.model}
    )
    images = paddle.to_tensor(
        batch_from_lines([line for _, line in batch.lines], batch.width, spec.mean, spec.std)
    )
    with paddle.no_grad():
        decoded = {
            name: decode_best_path(*best_path(network.probabilities(images).numpy()), spec.charset)
            for name, network in networks.items()
        }
    return [
        Prediction(file, {name: lines[row] for name, lines in decoded.items()})
        for row, (file, _) in enumerate(batch.lines)
    ]


def table(predictions: Sequence[Prediction]) -> str:
    """A row for each file with text and confidence by each network, aligned."""
    networks = list(next((one.lines for one in predictions if one.lines), {"": None}))
    rows = [["file", *(cell for name in networks for cell in (name or _SINGLE, "confidence"))]]
    for one in predictions:
        cells = [printable(one.file)]
        for name in networks if one.error is None else ():
            line = one.lines[name]
            cells += [printable(line.text), f"{line.confidence:10.3f}"]
        rows.append(cells if one.error is None else [*cells, f"error: {printable(one.error)}"])
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
    """PaddleOCR's result file: a line for each image that was read.

    `path<TAB>{"Student": {"label": …, "score": …}, …}`, or for one network
    `path<TAB>text<TAB>score`.

    Source: PaddleOCR `tools/infer_rec.py`.
    """
    rows = []
    for one in predictions:
        if one.error is not None:
            continue
        if set(one.lines) == {""}:
            line = one.lines[""]
            rows.append(f"{printable(one.file)}\t{printable(line.text)}\t{line.confidence}\n")
            continue
        scores = {
            name: {"label": line.text, "score": line.confidence} for name, line in one.lines.items()
        }
        rows.append(f"{printable(one.file)}\t{json.dumps(scores, ensure_ascii=False)}\n")
    return "".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return run_command("predict", __doc__, _predict, arguments, _add_arguments)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="files, folders and patterns; Global.infer_img when none are given",
    )


def _predict(config: Config, options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from training.run import build_trained_run

    run, _ = build_trained_run(config, data=())
    paths = options.images or [path for path in (run.settings.infer_img,) if path]
    if not paths:
        raise ConfigError(
            "no images: expected files or folders after the options, or Global.infer_img, got "
            "neither; name some"
        )
    if run.settings.save_res_path:
        refuse_unwritable_file(Path(run.settings.save_res_path), "Global.save_res_path")
    predictions = list(tqdm(predict(run, find_images(paths)), "reading", leave=False, delay=2))
    print(table(predictions))
    if run.settings.save_res_path:
        path = Path(run.settings.save_res_path)
        write_atomically(path, results_text(predictions).encode(errors="backslashreplace"))
        say(f"written: {path}")
    return DONE if all(one.error is None for one in predictions) else SOME_FAILED


if __name__ == "__main__":
    sys.exit(main())
