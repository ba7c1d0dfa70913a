"""Reads names or images from standard input; waiting for them can be interrupted."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable, Iterator

from runtime.errors import OcrError
from runtime.images.sources import MOST_NAME_BYTES, NamedImage, Refused, names_from_lines

_CHUNK_BYTES = 2**16
_LENGTH = struct.Struct(">I")
_SECONDS_BETWEEN_QUESTIONS = 0.2


class StandardInput:
    """Reads a stream that may pause for long.

    Args:
        descriptor: of the stream.
        is_over: polled while nothing arrives; once it returns True, the input ends.
    """

    def __init__(self, descriptor: int, is_over: Callable[[], bool]) -> None:
        self._descriptor = descriptor
        self._is_over = is_over
        self._buffer = bytearray()

    def names(self) -> Iterator[str | Refused]:
        """Yield file names, one per line.

        Raises:
            OcrError: if the stream cannot be read.
        """
        return names_from_lines(self._lines())

    def images(self, most_bytes: int) -> Iterator[NamedImage | Refused]:
        """Yield image files, each preceded by its length in bytes as 4 bytes, big-endian.

        Args:
            most_bytes: a longer image is skipped and reported.

        Raises:
            OcrError: if the stream cannot be read.
        """
        number = 0
        while self._fill(_LENGTH.size) or self._buffer:
            number += 1
            name = f"stdin#image={number}"
            prefix = self._take(_LENGTH.size)
            if len(prefix) < _LENGTH.size:
                yield Refused(name, "the stream ends within the length of an image")
                return
            (length,) = _LENGTH.unpack(prefix)
            if length > most_bytes:
                skipped = self._skip(length)
                reason = f"too large: {length} bytes, expected at most {most_bytes}"
            elif self._fill(length):
                yield NamedImage(name, self._take(length))
                continue
            else:
                skipped, reason = len(self._take(length)), ""
            if skipped < length:
                reason = f"the stream ends after {skipped} of its {length} bytes"
            yield Refused(name, reason)

    def _lines(self) -> Iterator[bytes]:
        """Yield lines with their ends, those that are too long for a name in pieces."""
        while True:
            end = self._buffer.find(b"\n")
            if end >= 0:
                yield self._take(end + 1)
            elif len(self._buffer) > MOST_NAME_BYTES:
                yield self._take(len(self._buffer))
            elif not self._fill(len(self._buffer) + 1):
                if self._buffer:
                    yield self._take(len(self._buffer))
                return

    def _fill(self, length: int) -> bool:
        """Read until the buffer holds `length` bytes; return False if the input ends before."""
        while len(self._buffer) < length:
            if not self._wait():
                return False
            try:
                chunk = os.read(self._descriptor, _CHUNK_BYTES)
            except OSError as error:
                raise OcrError(
                    f"cannot read standard input: {error.strerror}; expected a stream that is "
                    "open, name files instead"
                ) from error
            if not chunk:
                return False
            self._buffer += chunk
        return True

    def _wait(self) -> bool:
        """Wait for input; return False if the run is over."""
        while not self._is_over():
            if os.name != "posix":
                return True  # elsewhere only sockets can be waited for
            ready, _, _ = select.select([self._descriptor], [], [], _SECONDS_BETWEEN_QUESTIONS)
            if ready:
                return True
        return False

    def _take(self, length: int) -> bytes:
        """Remove and return at most `length` bytes of the buffer."""
        with memoryview(self._buffer) as whole, whole[:length] as part:
            taken = bytes(part)
        del self._buffer[:length]
        return taken

    def _skip(self, length: int) -> int:
        """Discard `length` bytes, holding few at a time; return how many there were."""
        rest = length
        while rest and (self._buffer or self._fill(1)):
            rest -= len(self._take(rest))
        return length - rest
