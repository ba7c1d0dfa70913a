"""Lines of text files as editors and shells write them: UTF-8, or UTF-16 with its mark in front."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from itertools import chain

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LINE_ENDS = "\r\n"


def decoded(content: bytes) -> str:
    """Return a text in UTF-8 or, with its byte-order mark, UTF-16; raises UnicodeDecodeError."""
    return content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")


def pieces_of(stream: io.BufferedIOBase, most_bytes: int) -> Iterator[bytes]:
    """Yield lines with their ends, those longer than `most_bytes` in pieces of that length."""
    return iter(lambda: stream.readline(most_bytes), b"")


def lines_as_bytes(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield lines without their ends and byte-order mark, those of UTF-16 converted to UTF-8.

    Args:
        pieces: of one text; each ends with a line, or earlier.
        most: bytes of a line, or characters in UTF-16; a longer line is cut to a beginning that
            exceeds this bound too, and no more is held.
    """
    pieces = iter(pieces)
    first = next(pieces, b"")
    if first.startswith(_UTF_16):
        yield from _from_utf_16(first, pieces, most)
        return
    held = b""
    for piece in chain([first.removeprefix(codecs.BOM_UTF8)], pieces):
        held = held[: most + 1] + piece
        if piece.endswith(b"\n"):
            yield held.rstrip(_LINE_ENDS.encode())
            held = b""
    yield held.rstrip(_LINE_ENDS.encode())


def _from_utf_16(first: bytes, pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Convert the lines of a UTF-16 text; a piece may end between the bytes of a character."""
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    # Half of a character may look like a line end, so pieces may be two bytes long: joining them
    # once takes linear time, joining each to the last quadratic.
    held: list[str] = []
    num_held = 0
    for piece in chain([first], pieces, [b""]):
        *whole, rest = decoder.decode(piece, final=not piece).split("\n")
        for line in whole:
            yield "".join([*held, line]).rstrip(_LINE_ENDS).encode(errors="replace")
            held, num_held = [], 0
        if num_held <= most:
            held.append(rest)
            num_held += len(rest)
    yield "".join(held).rstrip(_LINE_ENDS).encode(errors="replace")
