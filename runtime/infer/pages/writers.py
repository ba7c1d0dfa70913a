"""Writes pages one after the other to a stream, in a format of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.pages.formats.kinds import Format
from runtime.pages.result import PageText

if TYPE_CHECKING:
    from runtime.infer.records import Stream


class PagesWriter:
    """Writes pages as they come, between the format's beginning and its end.

    Args:
        form: of the format.
        stream: where to write.
    """

    def __init__(self, form: Format, stream: Stream) -> None:
        self._form, self._stream = form, stream
        self._number = 0

    def write(self, result: PageText) -> None:
        """Write a page, the first one together with what stands before it."""
        begin = "" if self._number else self._form.begin(None)
        self._number += 1
        self._stream.write(begin + self._form.page(result, self._number))

    def close(self) -> None:
        """Write the end, and flush the stream."""
        begin = "" if self._number else self._form.begin(None)
        end = self._form.end()
        if begin or end:
            self._stream.write(begin + end)
        self._stream.flush()
