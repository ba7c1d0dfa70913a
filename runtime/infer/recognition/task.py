"""The task of reading lines: its recogniser, its records, its labels."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.images.read import DEFAULT_MAX_PIXELS
from runtime.infer.recognition.opening import LINES_PER_SHARD, failed_line, recognizer_opening
from runtime.infer.table import escaped, printable
from runtime.recognition.record import record_from_recognition, rounded
from runtime.recognition.result import Recognition

if TYPE_CHECKING:
    from runtime.cluster.opening import Opening
    from runtime.images.read import ImageSource
    from runtime.infer.task import Draw
    from runtime.recognition.labels import Labels

_LEAST_PAGE_PX, _LEAST_LINE_RATIO, _LEAST_LINE_CONFIDENCE = 200, 3.0, 0.8
"""All of 50 scans are told from lines by these, and of 19,398 lines 23 photographed words are not,
which are read wrongly."""
_COLUMNS = ("file", "text", "confidence", "width_px", "height_px", "warnings", "error")


class Reading:
    """A `Task`.

    Args:
        arguments: the command line; None for its defaults.
    """

    unit, counted = "lines", "images"
    max_pixels = DEFAULT_MAX_PIXELS
    reads_documents = False
    models: Sequence[str] = ("model",)
    noted: Sequence[str] = (
        *("dictionary", "compat", "alternatives", "max_pixels"),
        *("device", "precision", "csv_safe"),
    )
    entry = "text"
    label_kinds: Sequence[str] = ()
    header = ("text", "confidence")
    shard_sizes: Mapping[int, int] = LINES_PER_SHARD

    def __init__(self, arguments: Namespace | None = None) -> None:
        alternatives = 0 if arguments is None else arguments.alternatives
        self.columns: Sequence[str] = columns_of(alternatives)
        self._labels: Labels | None = None

    def opening(self, arguments: Namespace) -> Opening:
        """Say how a recogniser is opened."""
        return recognizer_opening(arguments.model, _options(arguments))

    def failed(self, source: ImageSource, error: str) -> Recognition:
        """Return the result of an image that ends its readers."""
        return failed_line(source, error)

    def labels(self, arguments: Namespace) -> Labels | None:
        """Open the label file; None where none is given."""
        if arguments.labels is not None:
            from runtime.recognition.labels import Labels

            self._labels = Labels(arguments.labels, arguments.labels_dir)
        return self._labels

    def is_for_another(self, result: Recognition) -> bool:
        """Tell whether what was read as a line looks like a page."""
        return (
            result.height_px >= _LEAST_PAGE_PX
            and result.width_px < _LEAST_LINE_RATIO * result.height_px
            and result.confidence < _LEAST_LINE_CONFIDENCE
        )

    def advice(self, count: int) -> str:
        """Name `--pages`."""
        if count == 1:
            return "1 image looks like a page: --pages finds its lines first"
        return f"{count} images look like pages: --pages finds their lines first"

    def mistake(self, result: Recognition) -> str | None:
        """Return the label of a line that was read otherwise."""
        if self._labels is None or result.source is None or result.error is not None:
            return None
        label = self._labels.text_of(result.source)
        return None if label == result.text else label

    def answer(self, result: Recognition) -> str:
        """Return the text."""
        return result.text

    def record(self, result: Recognition) -> dict[str, Any]:
        """Return the record of a result."""
        return record_from_recognition(result)

    def schema(self, arrow: Any) -> Any:
        """Return PyArrow's schema of records, the same whatever alternatives are asked for."""
        text, number, whole = arrow.string(), arrow.float64(), arrow.int32()
        box = arrow.list_(number)
        character = {"text": text, "confidence": number, "time_step": whole}
        character |= {"last_time_step": whole, "box": box}
        word = {"text": text, "kind": text, "confidence": number, "box": box}
        alternative = {"text": text, "probability": number}

        def list_of(fields: dict[str, Any]) -> Any:
            return arrow.list_(arrow.struct(list(fields.items())))

        columns = {
            "file": text,
            "text": text,
            "confidence": number,
            "characters": list_of(character),
            "words": list_of(word),
            "width_px": whole,
            "height_px": whole,
            "input_width_px": whole,
            "warnings": arrow.list_(text),
            "error": text,
            "alternatives": list_of(alternative),
        }
        return arrow.schema(list(columns.items()))

    def documents(self, arguments: Namespace) -> None:
        """Return nothing: lines are written as records."""

    def writer(self, kind: str, stream: object) -> None:
        """Return nothing: lines have no format of their own."""

    def rows(self, result: Recognition) -> Sequence[Sequence[object]]:
        """Return the values of CSV's columns; those of missing alternatives are left out."""
        row = (
            result.source,
            result.text,
            rounded(result.confidence),
            result.width_px,
            result.height_px,
            "; ".join(result.warnings),
            result.error,
            *(
                value
                for text, probability in result.alternatives
                for value in (text, rounded(probability))
            ),
        )
        return [row]

    def rows_to_come(self, row: Sequence[str]) -> int:
        """Return 0: every result is a row."""
        return 0

    def line(self, result: Recognition) -> str:
        """Return text and score, as PaddleOCR's `tools/infer_rec.py` does.

        An image that could not be read has an empty text and the score 0.0; the format has no
        place for the reason.
        """
        return f"{escaped(result.text)}\t{rounded(result.confidence)}"

    def cells(self, result: Recognition) -> tuple[str, str]:
        """Return text and confidence."""
        return printable(result.text), f"{result.confidence:.3f}"

    def open_drawing(self) -> Draw:
        """Return what draws words, and below the image text, confidence and what is right."""
        from runtime.infer.fonts import require_pillow
        from runtime.infer.recognition.drawing import drawing

        require_pillow()
        return lambda image, result: drawing(image, result, self.mistake(result))


def columns_of(alternatives: int) -> tuple[str, ...]:
    """Return the names of the columns of a CSV file with this number of alternatives."""
    names = (
        f"{name}_{rank}"
        for rank in range(1, alternatives + 1)
        for name in ("alternative", "probability")
    )
    return (*_COLUMNS, *names)


def _options(arguments: Namespace) -> dict[str, Any]:
    """Return the given arguments of the `Recognizer`; its own defaults apply to the others."""
    model = ("dictionary", "device", "precision", "device_id", "batch_size", "threads")
    reading = ("max_pixels", "compat", "alternatives")
    values = {name: getattr(arguments, name) for name in (*model, *reading)}
    return {name: value for name, value in values.items() if value is not None}
