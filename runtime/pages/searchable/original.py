"""Adds unseen text to PDF files and joins them, in a process that can be ended."""

from __future__ import annotations

import json
import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from runtime.errors import ArtifactError, EngineError, ImageError
from runtime.pages.searchable.font import InvisibleFont
from runtime.pages.searchable.original_process import ADD_TEXT, JOIN, REPLY, REQUEST
from runtime.processes.kept import (
    GRACE_SECONDS,
    SECONDS_PER_CPU_SECOND,
    KeptProcess,
    ProcessPool,
    Refusal,
)

_SECONDS, _SECONDS_PER_MEGABYTE = 30.0, 1.0
"""Of CPU time, and what each 2^20 bytes of the files add."""

_SPARE_BYTES, _BYTES_PER_BYTE = 2**30, 4


class TextForPages:
    """What is to be added to the pages of a PDF file, on its way there.

    Args:
        stream: of a file, ASCII, at its beginning.
        name: of the font, which no other font of the PDF file has.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self.font = InvisibleFont(name)
        self.num_pages = 0

    def add(self, page: int, operators: bytes) -> None:
        """Add the text of a page.

        Args:
            page: its number, from 0.
            operators: as `text_operators`, in the points of the page, with `self.font`.
        """
        if operators:
            self.num_pages += 1
            self._write(
                {"page": page, "name": self.font.name, "operators": operators.decode("ascii")}
            )

    def close(self) -> None:
        """Write the font; the stream stays open."""
        font = {
            "characters": self.font.character_map().decode("ascii"),
            "glyphs": self.font.glyphs_of_codes().hex(),
        }
        self._write({"font": font})
        self._stream.flush()

    def _write(self, entry: dict[str, Any]) -> None:
        self._stream.write(json.dumps(entry) + "\n")


def add_text(source: Path, text: Path, output: Path) -> None:
    """Write a copy of a PDF file with text on its pages, which are otherwise as they are.

    Args:
        source: of the file.
        text: file that a `TextForPages` has written.
        output: of the copy.

    Raises:
        ImageError: if the file is encrypted or damaged, or takes too long.
        EngineError: if pikepdf is not installed.
    """
    job = {"kind": ADD_TEXT, "source": str(source), "text": str(text), "output": str(output)}
    _do(job, [source, text])


def join(parts: list[Path], output: Path) -> None:
    """Write the pages of several PDF files into one.

    Args:
        parts: the files.
        output: of the new file.

    Raises:
        ImageError, EngineError: as `add_text`.
    """
    _do({"kind": JOIN, "parts": [*map(str, parts)], "output": str(output)}, parts)


def require_pikepdf() -> None:
    """Check that PDF files can be changed.

    Raises:
        EngineError: if pikepdf is not installed.
    """
    if find_spec("pikepdf") is None:
        raise EngineError(
            "PDF files are given text by pikepdf, which is not installed: "
            "pip install 'distilrec[pdf]'"
        )


class _Writer(KeptProcess):
    """A process that writes PDF files."""

    def __init__(self) -> None:
        super().__init__("runtime.pages.searchable.original_process", None, "writes", "pikepdf")

    def do(self, job: dict[str, Any], num_bytes: int) -> None:
        """Do a job; after any error but a `Refusal` the process must not be used again."""
        cpu_seconds = _SECONDS + _SECONDS_PER_MEGABYTE * num_bytes / 2**20
        seconds = cpu_seconds * SECONDS_PER_CPU_SECOND
        memory = _SPARE_BYTES + _BYTES_PER_BYTE * num_bytes
        asked = json.dumps(job).encode()
        deadline = time.monotonic() + seconds + GRACE_SECONDS
        try:
            self.send(REQUEST.pack(len(asked), cpu_seconds, seconds, memory) + asked, deadline)
            is_done, num_told = REPLY.unpack(self.receive(REPLY.size, deadline))
            if not is_done:
                raise Refusal(self.receive(num_told, deadline).decode())
        except (OSError, EOFError) as error:
            if isinstance(error, TimeoutError) or self.is_out_of_time():
                reason = f"writing it was given up after {cpu_seconds:.0f} s of the CPU"
            else:
                reason = "pikepdf crashed on it, or it takes more memory than such a file needs"
            raise ImageError(f"{reason}; save the PDF again") from error


_writers: ProcessPool[_Writer] = ProcessPool()
end_idle_writers = _writers.end_idle


def _do(job: dict[str, Any], files: list[Path]) -> None:
    """Have a job done."""
    require_pikepdf()
    try:
        num_bytes = sum(os.path.getsize(file) for file in files)
    except OSError as error:
        raise ArtifactError(f"cannot read {error.filename}: {error.strerror}") from error
    with _writers.lent(None, _Writer) as writer:
        writer.do(job, num_bytes)
