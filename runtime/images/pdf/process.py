"""The process behind `runtime.images.pdf.pages`, which opens PDF files with pdfium.

Nothing in a file is executed: pypdfium2's library holds no interpreter of JavaScript and no XFA.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from runtime.processes.child import READY, SOCKET, limit_memory, received, set_alarms

REQUEST = struct.Struct(">QQddQ")
"""Bytes of the question in JSON, bytes of the file (0: it is at a path), seconds of CPU time and
of the clock, additional address space in bytes."""

REPLY = struct.Struct(">?QQ")
"""Whether it was answered, bytes of the answer in JSON or of the reason, bytes of pixels."""

COUNT, LOOK, RENDER = "count", "look", "render"

_PAGES_PER_OPENING = 64
"""What pdfium keeps of pages that were closed is let go with the file, after so many of them."""


def main() -> None:
    """Answer requests until the socket closes."""
    connection = socket.socket(fileno=SOCKET)
    import pypdfium2  # noqa: F401  now, not within the time of the first page

    import runtime.images.pdf.layer
    import runtime.images.pdf.notes
    import runtime.images.pdf.rendering  # noqa: F401

    connection.sendall(READY)
    opened = _Opened()
    while request := received(connection, REQUEST.size):
        num_asked, num_bytes, cpu_seconds, seconds, memory = REQUEST.unpack(request)
        set_alarms(cpu_seconds, seconds)
        asked, data = received(connection, num_asked), received(connection, num_bytes)
        if len(asked) < num_asked or len(data) < num_bytes:
            return
        reply = _reply(opened, json.loads(asked), bytes(data), memory)
        set_alarms(0, 0)
        for part in reply:
            connection.sendall(part)


class _Opened:
    """The file that was asked about last, kept open for its next page."""

    def __init__(self) -> None:
        self._key: object = None
        self._document: Any = None
        self._num_served = 0

    def document(self, question: dict[str, Any], data: bytes) -> Any:
        """Return the open file that a question is about.

        Raises:
            ImageError: if it cannot be opened.
        """
        key = question["key"]
        if self._key != key or self._num_served >= _PAGES_PER_OPENING:
            self.close()
            self._document = _open(data or question["path"])
            self._key = key
        self._num_served += 1
        return self._document

    def close(self) -> None:
        """Let go of the file."""
        if self._document is not None:
            self._document.close()
        self._key = self._document = None
        self._num_served = 0


def _open(file: str | bytes) -> Any:
    """Open a PDF file.

    Raises:
        ImageError: if it is encrypted or damaged.
    """
    import pypdfium2

    from runtime.errors import ImageError

    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        raw = pypdfium2.raw
        if getattr(error, "err_code", None) in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise ImageError(
                "the PDF is encrypted: expected one that opens without a password; save a copy "
                "without it"
            ) from error
        raise ImageError(
            f"pdfium cannot open the PDF: {' '.join(str(error).split())}; repair or save it again"
        ) from error
    if document.get_formtype():
        document.init_forms()  # what was filled in is drawn only then
    return document


def _reply(
    opened: _Opened, question: dict[str, Any], data: bytes, memory: int
) -> tuple[bytes, bytes, bytes | memoryview]:
    """Answer a question; return a `REPLY`, the answer or the reason, and pixels."""
    from runtime.errors import ImageError

    try:
        limit_memory(memory)
        answer, pixels = _answer(opened, question, data)
        text = json.dumps(answer).encode()
        return REPLY.pack(True, len(text), len(pixels)), text, pixels
    except ImageError as error:
        reason = str(error)
    except MemoryError:
        reason = "no memory is left for the page; lower --max-pixels"
    except Exception as error:
        reason = f"the page cannot be read: {type(error).__name__}: {' '.join(str(error).split())}"
    opened.close()
    text = reason.encode("utf-8", "backslashreplace")
    return REPLY.pack(False, len(text), 0), text, b""


def _answer(
    opened: _Opened, question: dict[str, Any], data: bytes
) -> tuple[dict[str, Any], bytes | memoryview]:
    from runtime.errors import ImageError
    from runtime.images.pdf.layer import layer_of
    from runtime.images.pdf.notes import has_notes
    from runtime.images.pdf.rendering import geometry_of, pixels_of

    document = opened.document(question, data)
    if question["kind"] == COUNT:
        return {"pages": len(document)}, b""
    number = question["page"]
    if number >= len(document):
        raise ImageError(
            f"no such page: expected at most {len(document)}, got {number + 1}; name another"
        )
    page = document[number]
    try:
        geometry = geometry_of(page, question["px_per_inch"], question["max_pixels"])
        if question["kind"] == RENDER:
            return geometry.answer(), pixels_of(page, geometry)
        seen, found = geometry.answer(), layer_of(page, geometry)
        warnings = [*seen["warnings"], *found["warnings"]]
        return {**seen, **found, "has_notes": has_notes(page), "warnings": warnings}, b""
    finally:
        page.close()


if __name__ == "__main__":
    main()
