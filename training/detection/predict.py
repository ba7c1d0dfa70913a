"""Finds text in images with every network of a checkpoint, as evaluation does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.detection.boxes import Boxes
from runtime.errors import ImageError
from runtime.images.read import read_image
from runtime.infer.table import display_width, printable
from training.data.sample import Draw, Sample
from training.detection.post_process import DBPostProcess
from training.detection.transforms import DetResizeForTest, NormalizeImage, ToCHWImage

if TYPE_CHECKING:
    from training.network import Network
    from training.run import Run

_OF_IMAGES = (DetResizeForTest, NormalizeImage, ToCHWImage)


@dataclass(frozen=True)
class Prediction:
    """Where the networks found text in an image.

    Args:
        file: its path.
        boxes: of each network, in px of the image; one network alone has an empty name.
        error: why the image could not be read, else None.
    """

    file: str
    boxes: Mapping[str, Boxes] = field(default_factory=dict)
    error: str | None = None

    def as_json(self) -> Mapping[str, Any]:
        """Return polygons and scores of each network, and the error if there is one."""
        boxes = {
            name: [
                {"points": points.tolist(), "score": float(score)}
                for points, score in zip(found.points, found.scores, strict=True)
            ]
            for name, found in self.boxes.items()
        }
        return {"file": self.file, "networks": boxes, "error": self.error}


def predict(run: Run, files: Iterable[str]) -> Iterator[Prediction]:
    """Find text with every network of a run, resized and normalised as `Eval` says.

    Args:
        run: trained.
        files: image files.

    Returns:
        A prediction for each file, in order, while they are read.
    """
    steps = [
        transform.build()
        for transform in run.plan.evaluation.transforms
        if transform.builder in _OF_IMAGES
    ]
    find = plain_post_process(run.post_process)
    nothing_drawn = Draw(np.random.default_rng(0), _no_other)
    run.model.eval()
    for file in files:
        try:
            sample = Sample(read_image(file), "", file)
        except ImageError as error:
            yield Prediction(file, error=str(error))
            continue
        for step in steps:
            sample = step(sample, nothing_drawn)
        boxes = {name: _boxes(network, find, sample) for name, network in run.networks.items()}
        yield Prediction(file, boxes)


def plain_post_process(post_process: Any) -> DBPostProcess:
    """Return what makes boxes of one network's maps."""
    plain: DBPostProcess = getattr(post_process, "plain", post_process)
    return plain


def _boxes(network: Network, find: DBPostProcess, sample: Sample) -> Boxes:
    import paddle

    with paddle.no_grad():
        maps = network.deployed(paddle.to_tensor(sample.image[np.newaxis])).numpy()
    return find(maps, sample.values["shape"][np.newaxis])[0]


def _no_other() -> Sample:
    raise AssertionError("images that are predicted are joined to no others")


def table(predictions: Sequence[Prediction]) -> str:
    """Return a row for each file: boxes and their mean score by each network, aligned."""
    read = (prediction.boxes for prediction in predictions if prediction.boxes)
    networks = list(next(read, {"": None}))
    rows = [["file", *(cell for name in networks for cell in (name or "boxes", "mean score"))]]
    for prediction in predictions:
        cells = [printable(prediction.file)]
        if prediction.error is not None:
            cells.append(f"error: {printable(prediction.error)}")
        else:
            for boxes in (prediction.boxes[name] for name in networks):
                mean = f"{np.mean(boxes.scores):.3f}" if boxes.scores else "-"
                cells += [str(len(boxes.points)), mean]
        rows.append(cells)
    # A reason of an error may stick out: it widens no column.
    whole = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(display_width(row[column]) for row in whole) for column in range(len(rows[0]))]
    widths[0] = max(display_width(row[0]) for row in rows)
    lines = []
    for row in rows:
        if len(row) == len(rows[0]):
            numbers = [f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)][1:]
        else:
            numbers = row[1:]
        padding = " " * (widths[0] - display_width(row[0]))
        lines.append("  ".join([row[0] + padding, *numbers]))
    return "\n".join(lines)


def results_text(predictions: Iterable[Prediction]) -> str:
    """Return PaddleOCR's result file: a line for each image that was read.

    `path<TAB>[{"transcription": "", "points": [[x, y], …]}, …]`, which is a label file too, or for
    several networks `path<TAB>{"Student": […], …}`.

    Source: PaddleOCR `tools/infer_det.py`.
    """
    rows = []
    for prediction in predictions:
        if prediction.error is not None:
            continue
        found = {
            name: [{"transcription": "", "points": points.tolist()} for points in boxes.points]
            for name, boxes in prediction.boxes.items()
        }
        content = found[""] if set(found) == {""} else found
        rows.append(f"{printable(prediction.file)}\t{json.dumps(content)}\n")
    return "".join(rows)
