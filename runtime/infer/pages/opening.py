"""Opens a page reader that reads files of several pages too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from runtime.pages.documents import AUTO, DocumentReader
from runtime.pages.unsure import without_unsure

if TYPE_CHECKING:
    from runtime.images.read import ImageSource
    from runtime.pages.result import PageText


class FileReader:
    """A `PageReader`, and a `DocumentReader` around it; a context manager.

    Args:
        pdf: as `DocumentReader`; None for its default.
        pdf_pixels: of the picture of a page of a PDF file.
        least: confidence of the lines that are kept; None for all.
        options: arguments of `PageReader`.

    Raises:
        OcrError: as `PageReader`.
    """

    def __init__(
        self, *, pdf: str | None, pdf_pixels: int, least: float | None, **options: Any
    ) -> None:
        from runtime.pages.reader import PageReader

        self._least = least
        with ExitStack() as stack:
            self._pages = stack.enter_context(PageReader(**options))
            documents = DocumentReader(self._pages, pdf or AUTO, pdf_pixels)
            self._documents = stack.enter_context(documents)
            self._stack = stack.pop_all()

    @property
    def description(self) -> str:
        """As `PageReader`."""
        return self._pages.description

    def stream(self, images: Iterable[ImageSource]) -> Iterator[PageText]:
        """Yield the text of each page, in their order; see `DocumentReader.stream`."""
        for page in self._documents.stream(images):
            yield page if self._least is None else without_unsure(page, self._least)

    def __enter__(self) -> FileReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
