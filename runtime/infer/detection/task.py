"""The task of finding text: its detector, its records, its drawings."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.detection.detector import DEFAULT_MAX_PIXELS
from runtime.detection.record import record_from_detection
from runtime.detection.result import Detection
from runtime.images.read import source_name
from runtime.infer.detection.arguments import OPTIONS
from runtime.infer.opening import opening_of

if TYPE_CHECKING:
    from runtime.cluster.opening import Opening
    from runtime.images.read import ImageSource
    from runtime.infer.task import Draw

_DETECTOR = ("device", "precision", "device_id", "batch_size", "threads", "max_pixels")
_SIZES = {"det_limit_side_len": "limit_side_len", "det_limit_type": "limit_type"}
_BOXES = {
    "det_thresh": "thresh",
    "det_box_thresh": "box_thresh",
    "det_unclip_ratio": "unclip_ratio",
    "det_dilation": "use_dilation",
    "det_box_type": "box_type",
}


class Finding:
    """A `Task`.

    Args:
        arguments: the command line; None for its defaults.
    """

    unit = counted = "pages"
    max_pixels = DEFAULT_MAX_PIXELS
    reads_documents = True
    models: Sequence[str] = ("model",)
    noted: Sequence[str] = ("max_pixels", "device", "precision", "csv_safe", *OPTIONS)
    entry = "boxes"
    label_kinds: Sequence[str] = ("labels", "txt")
    columns: Sequence[str] = ("file", "boxes", "width_px", "height_px", "warnings", "error")
    header = ("boxes", "score")
    shard_sizes: Mapping[int, int] = {0: 8, 1: 32}

    def __init__(self, arguments: Namespace | None = None) -> None:
        pass

    def opening(self, arguments: Namespace) -> Opening:
        """Say how a detector is opened."""
        sizes, boxes = _given(arguments, _SIZES), _given(arguments, _BOXES)
        if sizes:
            sizes["image_shape"] = None  # which would count before it
        options = _given(arguments, {name: name for name in _DETECTOR})
        return opening_of(
            "runtime.infer.detection.opening:open_detector",
            {"model": arguments.model},
            {"sizes": sizes, "boxes": boxes, **options},
            max_pixels=arguments.max_pixels or self.max_pixels,
        )

    def failed(self, source: ImageSource, error: str) -> Detection:
        """Return the result of a page that ends its readers."""
        return Detection(source=source_name(source), error=error)

    def is_for_another(self, result: object) -> bool:
        """Return False: a line is a page of one line."""
        return False

    def advice(self, count: int) -> str:
        """Return nothing: no image is for another task."""
        return ""

    def mistake(self, result: object) -> None:
        """Return None: there are no labels."""

    def labels(self, arguments: Namespace) -> None:
        """Return nothing: boxes are not compared here."""

    def answer(self, result: Detection) -> None:
        """Return nothing, as `labels`."""

    def record(self, result: Detection) -> dict[str, Any]:
        """Return the record of a result."""
        return record_from_detection(result)

    def schema(self, arrow: Any) -> Any:
        """Return PyArrow's schema of records."""
        text, number, whole = arrow.string(), arrow.float64(), arrow.int32()
        points = arrow.list_(arrow.list_(number))
        sizes = ("width_px", "height_px", "input_width_px", "input_height_px")
        columns = {
            "file": text,
            "boxes": arrow.list_(arrow.struct([("points", points), ("score", number)])),
            **{name: whole for name in sizes},
            "warnings": arrow.list_(text),
            "error": text,
        }
        return arrow.schema(list(columns.items()))

    def documents(self, arguments: Namespace) -> None:
        """Return nothing: boxes are written as records."""

    def writer(self, kind: str, stream: object) -> None:
        """Return nothing: boxes have no format of their own."""

    def rows(self, result: Detection) -> Sequence[Sequence[object]]:
        """Return the values of CSV's columns, the boxes as JSON."""
        row = (
            result.source,
            json.dumps(record_from_detection(result)["boxes"]),
            result.width_px,
            result.height_px,
            "; ".join(result.warnings),
            result.error,
        )
        return [row]

    def rows_to_come(self, row: Sequence[str]) -> int:
        """Return 0: every result is a row."""
        return 0

    def line(self, result: Detection) -> str:
        """Return the boxes as PaddleOCR's label files of detection hold them, without a text.

        An image that could not be read has none; the format has no place for the reason.
        """
        return json.dumps(
            [
                {"transcription": "", "points": [list(point) for point in box.points]}
                for box in result.boxes
            ]
        )

    def cells(self, result: Detection) -> tuple[str, str]:
        """Return the number of boxes, and their mean score."""
        scores = [box.score for box in result.boxes]
        return str(len(scores)), f"{sum(scores) / len(scores):.3f}" if scores else "-"

    def open_drawing(self) -> Draw:
        """Return what draws the boxes onto the image."""
        from runtime.infer.detection.drawing import drawing

        return drawing


def _given(arguments: Namespace, names: dict[str, str]) -> dict[str, Any]:
    """Return what the command line says, by other names; what it leaves open is left out."""
    values = {other: getattr(arguments, name) for name, other in names.items()}
    return {name: value for name, value in values.items() if value is not None}
