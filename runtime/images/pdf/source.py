"""A page of a PDF file, as a source of an image."""

from __future__ import annotations

from dataclasses import dataclass, field

SIGNATURE = b"%PDF-"
SUFFIX = ".pdf"

RENDERING = "pypdfium2 render FILE.pdf --output FOLDER --scale 4.17"
"""A command that comes with pypdfium2, at 300 px per inch."""

_WITHIN_BYTES = 1024
"""Readers look so far for the signature: some programs write a line before it."""


@dataclass(frozen=True)
class PdfPage:
    """A page of a PDF file.

    Args:
        path: of the file, or its name if it is given as bytes.
        number: of the page, from 0.
        is_only: whether the file has no other page.
        px_per_inch: to render it at; None for a scan's own resolution, or 300 where it is none.
        data: the bytes of the file, None if they are at `path`.
        cpu_seconds: time of the CPU after which the page is given up; None for what is usual.
    """

    path: str
    number: int
    is_only: bool = False
    px_per_inch: int | None = None
    data: bytes | None = field(default=None, repr=False)
    cpu_seconds: float | None = None

    @property
    def name(self) -> str:
        """Name in results, as that of a `Page`; that of the file if it has a single page."""
        return self.path if self.is_only else f"{self.path}#page={self.number + 1}"


def is_pdf(head: bytes) -> bool:
    """Tell whether a file that begins so is a PDF."""
    return SIGNATURE in head[:_WITHIN_BYTES]


def is_named_pdf(name: str | None) -> bool:
    """Tell whether a name is that of a PDF file."""
    return name is not None and name.lower().endswith(SUFFIX)


def no_pdf(data: bytes) -> str:
    """Return why the bytes of a file that is named a PDF are none."""
    return (
        f"no readable PDF: expected {SIGNATURE.decode()} within its first {_WITHIN_BYTES} bytes, "
        f"got {len(data)} bytes that begin with {data[:8]!r}; copy it or save it again"
    )
