"""Counts, renders and looks at the pages of PDF files, in processes that can be ended."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.images.pdf.process import COUNT, LOOK, RENDER, REPLY, REQUEST
from runtime.images.pdf.source import PdfPage, is_pdf
from runtime.processes.kept import (
    GRACE_SECONDS,
    IS_POSSIBLE,
    SECONDS_PER_CPU_SECOND,
    KeptProcess,
    ProcessPool,
    Refusal,
)

MOST_PAGES = 20_000
"""A file with more is refused; a page is found without those before it, unlike a frame."""

SECONDS_PER_PAGE = 20.0
"""CPU time after which a page is given up: 100 times what most pages take."""

PIXELS_PER_SECOND = 16 * 2**20
"""Each pixel adds time at this rate."""

_SPARE_BYTES = 2**30
"""For images within a page, which are unpacked whole: A3 in colour at 600 px per inch, twice."""
_BYTES_PER_PIXEL = 8
_MOST_ANSWER_BYTES = 2**28

Points = tuple[tuple[float, float], ...]


class RenderedPage(NamedTuple):
    """A page as it is seen.

    Args:
        pixels: BGR uint8 [h, w, 3].
        px_per_inch: it was rendered at.
        warnings: of what may spoil a reading.
    """

    pixels: NDArray[np.uint8]
    px_per_inch: float
    warnings: tuple[str, ...]


class LayerWord(NamedTuple):
    """A word that stands in the file.

    Args:
        text: without spaces.
        points: four corners in px of the rendered page, from where the text begins above,
            clockwise for its reader.
    """

    text: str
    points: Points


@dataclass(frozen=True)
class PdfLook:
    """What a page holds, without rendering it.

    Args:
        width_px, height_px, px_per_inch: of the rendered page.
        matrix: from points of the page, y up, to px, y down: x' = a x + c y + e,
            y' = b x + d y + f.
        is_scan: whether images cover most of it.
        lines: of words that stand in the file, in its order.
        num_characters: in them.
        num_bad: of these have no meaning in the file.
        is_hidden: whether most of them are invisible.
        has_notes: whether fields of a form or notes hold text of their own.
        warnings: as `RenderedPage`.
    """

    width_px: int
    height_px: int
    px_per_inch: float
    matrix: tuple[float, ...]
    is_scan: bool
    lines: tuple[tuple[LayerWord, ...], ...]
    num_characters: int
    num_bad: int
    is_hidden: bool
    has_notes: bool
    warnings: tuple[str, ...]


def is_pdf_file(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file begins as a PDF; False if it cannot be read, or is no ordinary file."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return is_pdf(file.read(1024))
    except (OSError, ValueError):
        return False


def count_pages(path: str, data: bytes | None = None, cpu_seconds: float | None = None) -> int:
    """Count the pages of a PDF file.

    Args:
        path: of the file, or its name if `data` is given.
        data: its bytes.
        cpu_seconds: as `PdfPage`.

    Raises:
        ImageError: if it cannot be opened, or has no page or too many.
    """
    answer, _ = _ask(PdfPage(path, 0, data=data, cpu_seconds=cpu_seconds), COUNT, 1)
    count = int(answer["pages"])
    if count < 1:
        raise ImageError("the PDF has no pages: expected at least one; save it again")
    if count > MOST_PAGES:
        raise ImageError(
            f"{count} pages, expected at most {MOST_PAGES}; part the PDF into several files"
        )
    return count


def render_page(page: PdfPage, max_pixels: int) -> RenderedPage:
    """Render a page, at its own resolution if it is a scan.

    Args:
        page: of a file.
        max_pixels: h x w at most; a larger page is made smaller, and warned of.

    Raises:
        ImageError: if it cannot be rendered, within the time and memory for a page.
    """
    answer, pixels = _ask(page, RENDER, max_pixels)
    image = np.frombuffer(pixels, np.uint8).reshape(answer["height_px"], answer["width_px"], 3)
    return RenderedPage(image, answer["px_per_inch"], tuple(answer["warnings"]))


def look_at_page(page: PdfPage, max_pixels: int) -> PdfLook:
    """Find out what a page holds.

    Args:
        page, max_pixels: as `render_page`.

    Raises:
        ImageError: as `render_page`.
    """
    answer, _ = _ask(page, LOOK, max_pixels)
    return PdfLook(
        answer["width_px"],
        answer["height_px"],
        answer["px_per_inch"],
        tuple(answer["matrix"]),
        answer["is_scan"],
        tuple(
            tuple(LayerWord(text, _corners(at)) for text, at in line) for line in answer["lines"]
        ),
        answer["characters"],
        answer["bad"],
        answer["is_hidden"],
        answer["has_notes"],
        tuple(answer["warnings"]),
    )


class _Viewer(KeptProcess):
    """A process that opens PDF files."""

    def __init__(self) -> None:
        super().__init__("runtime.images.pdf.process", work="opens", needs="pypdfium2")

    def answer(
        self, question: dict[str, Any], data: bytes, max_pixels: int, cpu_seconds: float
    ) -> tuple[dict[str, Any], bytearray]:
        """Ask; after any error but a `Refusal` the process must not be used again."""
        num_pixels = max_pixels if question["kind"] == RENDER else 0
        cpu_seconds += num_pixels / PIXELS_PER_SECOND
        seconds = cpu_seconds * SECONDS_PER_CPU_SECOND
        memory = _SPARE_BYTES + num_pixels * _BYTES_PER_PIXEL + len(data)
        asked = json.dumps(question).encode()
        deadline = time.monotonic() + seconds + GRACE_SECONDS
        try:
            request = REQUEST.pack(len(asked), len(data), cpu_seconds, seconds, memory)
            self.send(request + asked, deadline)
            self.send(data, deadline)
            is_done, num_told, num_bytes = REPLY.unpack(self.receive(REPLY.size, deadline))
            if num_told > _MOST_ANSWER_BYTES or num_bytes > 3 * max_pixels:
                raise ImageError("the process that opens it answered nonsense")
            told = self.receive(num_told, deadline)
            if not is_done:
                raise Refusal(told.decode())
            return json.loads(told), self.receive(num_bytes, deadline)
        except (OSError, EOFError) as error:
            if isinstance(error, TimeoutError) or self.is_out_of_time():
                reason = (
                    f"the page was given up after {cpu_seconds:.1f} s of the CPU or "
                    f"{seconds:.1f} s in all"
                )
            else:
                reason = "pdfium crashed on the page, or it takes more memory than a page needs"
            raise ImageError(f"{reason}; save the PDF again, or its pages as images") from error


_viewers: ProcessPool[_Viewer] = ProcessPool()
end_idle_viewers = _viewers.end_idle


def _ask(page: PdfPage, kind: str, max_pixels: int) -> tuple[dict[str, Any], bytearray]:
    """Ask a process about a page."""
    if find_spec("pypdfium2") is None:
        raise ImageError(
            "a PDF, whose pages are read by pypdfium2, which is not installed: "
            "pip install 'distilrec[pdf]'"
        )
    if not IS_POSSIBLE:
        raise ImageError("PDF files are opened on POSIX systems alone; save the pages as images")
    data = page.data or b""
    question = {
        "kind": kind,
        "key": _key(page),
        "path": os.path.abspath(page.path),
        "page": page.number,
        "px_per_inch": page.px_per_inch,
        "max_pixels": max_pixels,
    }
    cpu_seconds = SECONDS_PER_PAGE if page.cpu_seconds is None else page.cpu_seconds
    with _viewers.lent(None, _Viewer) as viewer:
        return viewer.answer(question, data, max_pixels, cpu_seconds)


def _key(page: PdfPage) -> list[Any]:
    """Return what tells the content of a file."""
    if page.data is not None:
        return [hashlib.sha256(page.data).hexdigest()]
    try:
        found = os.stat(page.path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot be opened: {reason}") from error
    return [os.path.abspath(page.path), found.st_mtime_ns, found.st_size, found.st_ino]


def _corners(values: list[float]) -> Points:
    return tuple(zip(values[0::2], values[1::2], strict=True))
