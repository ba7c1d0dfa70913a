"""The task of reading pages: its readers, its records, its documents, its drawings."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.detection.detector import DEFAULT_MAX_PIXELS
from runtime.images.pdf.source import PdfPage
from runtime.images.read import source_name
from runtime.images.sources import Page
from runtime.infer.opening import opening_of
from runtime.infer.pages.writers import PagesWriter
from runtime.infer.table import printable
from runtime.pages.formats.kinds import FORMATS
from runtime.pages.formats.record import pairs, record_from_page, rounded
from runtime.pages.result import PageLine, PageText

if TYPE_CHECKING:
    from runtime.cluster.opening import Opening
    from runtime.images.read import ImageSource
    from runtime.infer.pages.documents import Documents
    from runtime.infer.records import Stream as TextStream
    from runtime.infer.task import Draw

_LABELS = "labels"
_CELL_CHARACTERS = 60
"""Of a page's text in the table; `--format txt` prints all of it."""
_OWN_KINDS = ("txt", "paddleocr", "hocr", "alto")
_READER = ("device", "precision", "device_id", "batch_size", "threads", "max_pixels")


class PageReading:
    """A `Task`.

    Args:
        arguments: the command line; None for its defaults.
    """

    unit = counted = "pages"
    max_pixels = DEFAULT_MAX_PIXELS
    reads_documents = True
    models: Sequence[str] = ("model", "detector")
    noted: Sequence[str] = (
        *("dictionary", "max_pixels", "device", "precision", "csv_safe"),
        *("pdf", "pdf_dpi", "min_confidence"),
    )
    entry = "lines"
    label_kinds: Sequence[str] = ("labels",)
    columns: Sequence[str] = (
        *("file", "page", "line", "lines", "text", "confidence", "is_unsure", "column", "row"),
        *("points", "width_px", "height_px", "warnings", "error"),
    )
    header = ("text", "confidence")
    shard_sizes: Mapping[int, int] = {0: 4, 1: 16}

    def __init__(self, arguments: Namespace | None = None) -> None:
        pass

    def opening(self, arguments: Namespace) -> Opening:
        """Say how a reader of pages and PDF files is opened."""
        given = {name: getattr(arguments, name) for name in _READER}
        pixels = arguments.max_pixels or self.max_pixels
        of_files = {"pdf": arguments.pdf, "pdf_pixels": pixels, "least": arguments.min_confidence}
        return opening_of(
            "runtime.infer.pages.opening:FileReader",
            {"detector": arguments.detector, "recognizer": arguments.model},
            {**of_files, **{name: value for name, value in given.items() if value is not None}},
            max_pixels=pixels,
            files=[("dictionary", arguments.dictionary)],
        )

    def failed(self, source: ImageSource, error: str) -> PageText:
        """Return the result of a page that ends its readers."""
        number = source.number + 1 if isinstance(source, Page | PdfPage) else None
        return PageText(source=source_name(source), page=number, error=error)

    def documents(self, arguments: Namespace) -> Documents | None:
        """Open what writes whole files; None where none is asked for."""
        if arguments.document is None and arguments.output_dir is None:
            return None
        from runtime.infer.pages.documents import Documents

        return Documents(arguments, arguments.max_pixels or self.max_pixels)

    def writer(self, kind: str, stream: TextStream) -> PagesWriter | None:
        """Return what writes a format of pages; None for those of lines too."""
        return PagesWriter(FORMATS[kind], stream) if kind in _OWN_KINDS else None

    def is_for_another(self, result: object) -> bool:
        """Return False: a line is a page of one line."""
        return False

    def advice(self, count: int) -> str:
        """Return nothing: no image is for another task."""
        return ""

    def mistake(self, result: object) -> None:
        """Return None: there are no labels."""

    def labels(self, arguments: Namespace) -> None:
        """Return nothing: pages are not compared here."""

    def answer(self, result: PageText) -> None:
        """Return nothing, as `labels`."""

    def record(self, result: PageText) -> dict[str, Any]:
        """Return the record of a result."""
        return record_from_page(result)

    def schema(self, arrow: Any) -> Any:
        """Return PyArrow's schema of records."""
        text, number, whole = arrow.string(), arrow.float64(), arrow.int32()
        flag, points = arrow.bool_(), arrow.list_(arrow.list_(arrow.float64()))
        word = {"text": text, "confidence": number, "points": points}
        line = {"text": text, "confidence": number, "score": number, "points": points}
        line |= {"words": arrow.list_(arrow.struct(list(word.items())))}
        line |= {"is_unsure": flag, "is_turned": flag, "column": whole, "row": whole}
        column = {"points": points, "lines": arrow.list_(whole)}
        columns = {
            "file": text,
            "page": whole,
            "width_px": whole,
            "height_px": whole,
            "px_per_inch": number,
            "angle": number,
            "is_from_file": flag,
            "text": text,
            "lines": arrow.list_(arrow.struct(list(line.items()))),
            "columns": arrow.list_(arrow.struct(list(column.items()))),
            "warnings": arrow.list_(text),
            "error": text,
        }
        return arrow.schema(list(columns.items()))

    def rows(self, result: PageText) -> Sequence[Sequence[object]]:
        """Return the values of CSV's columns, a row for each line; one for a page without."""
        count = len(result.lines)
        lines = enumerate(result.lines, 1)
        return [self._row(result, number, count, line) for number, line in lines] or [
            self._row(result, 0, 0, None)
        ]

    def rows_to_come(self, row: Sequence[str]) -> int:
        """Return how many rows of a page follow one."""
        line, lines = (int(row[self.columns.index(name)]) for name in ("line", "lines"))
        return lines - line

    def line(self, result: PageText) -> str:
        """Return the lines as PaddleOCR's label files of pages hold them.

        A page that could not be read has none; the format has no place for the reason.
        """
        return json.dumps(
            [
                {"transcription": line.text, "points": pairs(line.points)}
                for line in result.lines
                if line.text
            ],
            ensure_ascii=False,
        )

    def cells(self, result: PageText) -> tuple[str, str]:
        """Return the beginning of the text in a line, and the mean confidence of its lines."""
        confidences = [line.confidence for line in result.lines if line.text]
        text = " | ".join(part for part in result.text.split("\n") if part)
        if len(text) > _CELL_CHARACTERS:
            text = f"{text[: _CELL_CHARACTERS - 1]}…"
        mean = f"{sum(confidences) / len(confidences):.3f}" if confidences else "-"
        return printable(text), mean

    def open_drawing(self) -> Draw:
        """Return what draws lines with their numbers, and the text beside the page."""
        from runtime.infer.fonts import require_pillow
        from runtime.infer.pages.drawing import drawing

        require_pillow()
        return drawing

    def _row(
        self, page: PageText, number: int, count: int, line: PageLine | None
    ) -> Sequence[object]:
        """Return a row; what is of the page stands in each of its rows."""
        of_line: tuple[object, ...] = (None,) * 6
        if line is not None:
            of_line = (
                line.text,
                rounded(line.confidence),
                line.is_unsure,
                line.column,
                line.row,
                json.dumps(pairs(line.points)),
            )
        return (
            *(page.source, page.page, number, count, *of_line),
            *(page.width_px, page.height_px, "; ".join(page.warnings), page.error),
        )
