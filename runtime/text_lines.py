"""Lines of text files as editors and shells write them: UTF-8, or UTF-16 with its mark in front."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LINE_ENDS = "\r\n"


def decoded(data: bytes) -> str:
    """The text of a whole file, without a byte-order mark.

    Raises:
        UnicodeDecodeError: if it is neither UTF-8 nor UTF-16 with a byte-order mark.
    """
    return data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")


def limited_lines(stream: io.BufferedIOBase, most_bytes: int) -> Iterator[bytes]:
    """Lines with their ends; of one longer than `most_bytes` the first of one byte more.

    Args:
        stream: from which they are read; no more of a line is held than that.
    """
    while line := stream.readline(most_bytes + 1):
        yield line
        rest = line
        while len(rest) > most_bytes and not rest.endswith(b"\n"):
            rest = stream.readline(most_bytes + 1)


def lines_as_bytes(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Lines without their ends, in UTF-8 where they come as UTF-16, without a byte-order mark.

    Args:
        lines: of one text, as they end with the byte of a line feed.
        most: characters of a line in UTF-16; of a longer one more than these come, not all.
    """
    lines = iter(lines)
    first = next(lines, b"")
    if first.startswith(_UTF_16):
        yield from _from_utf_16(first, lines, most)
        return
    yield first.removeprefix(codecs.BOM_UTF8).rstrip(_LINE_ENDS.encode())
    for line in lines:
        yield line.rstrip(_LINE_ENDS.encode())


def _from_utf_16(first: bytes, lines: Iterator[bytes], most: int) -> Iterator[bytes]:
    """As `lines_as_bytes`; a piece may end within a character, whose other byte comes next."""
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    text = decoder.decode(first)
    while True:
        *whole, text = text.split("\n")
        for line in whole:
            yield line.rstrip(_LINE_ENDS).encode(errors="replace")
        piece = next(lines, None)
        if piece is None:
            break
        text = text[: most + 1] + decoder.decode(piece)
    text += decoder.decode(b"", final=True)
    yield text.rstrip(_LINE_ENDS).encode(errors="replace")
