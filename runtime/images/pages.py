"""Finds the pages or frames of an image file from its structure, without decoding any."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import ImageError
from runtime.images import tiff as tiff_header
from runtime.images.formats import PNG_SIGNATURE, png_chunks, riff_chunks

HEAD_BYTES = 4096
"""Bytes at the beginning of a file that show whether it may hold several pages."""

_GIF_HEADER, _GIF_DESCRIPTOR = 13, 10
_GIF_EXTENSION, _GIF_FRAME = 0x21, 0x2C
_GIF_HAS_TABLE, _GIF_TABLE_BITS = 0x80, 0x07

MOST_GIF_BLOCKS = 2**20
"""Bound of the blocks of a GIF, of up to 255 bytes each."""


def may_have_pages(head: bytes) -> bool:
    """Tell whether the beginning of a file is that of a TIFF, a GIF or an animated PNG or WebP."""
    if head.startswith(PNG_SIGNATURE):
        return b"acTL" in head
    if head.startswith(b"RIFF"):
        return b"ANIM" in head
    return head.startswith((b"GIF8", *tiff_header.SIGNATURES))


def page_numbers(data: bytes) -> Sequence[int]:
    """Return the decoder's numbers of the pages, from 0; empty for a single page.

    Reduced copies of other pages in a TIFF file are left out, and so are the frames of an AVIF
    sequence, of which only the first is read.

    Raises:
        ImageError: if the file has too many parts.
    """
    if data.startswith(tiff_header.SIGNATURES):
        numbers: Sequence[int] = tiff_header.page_indices(data)
    elif data.startswith(b"GIF8"):
        numbers = range(_count_gif_frames(data))
    elif data.startswith(b"RIFF"):
        numbers = range(sum(kind == b"ANMF" for kind, _, _ in riff_chunks(data)))
    else:
        numbers = range(sum(kind == b"fcTL" for kind, _ in png_chunks(data)))
    return numbers if len(numbers) > 1 else ()


def _count_gif_frames(data: bytes) -> int:
    """Count image descriptors: extensions and images are chains of blocks that end with a 0."""
    num_frames, num_blocks, position = 0, 0, _GIF_HEADER
    try:
        position += _gif_table_bytes(data[10])
        while data[position] in (_GIF_EXTENSION, _GIF_FRAME):
            if data[position] == _GIF_FRAME:
                num_frames += 1
                position += _GIF_DESCRIPTOR + _gif_table_bytes(data[position + 9]) + 1
            else:
                position += 2
            while data[position] and num_blocks <= MOST_GIF_BLOCKS:
                position += 1 + data[position]
                num_blocks += 1
            position += 1
            num_blocks += 1
            if num_blocks > MOST_GIF_BLOCKS:
                raise ImageError(
                    f"made of too many blocks: expected at most {MOST_GIF_BLOCKS}; "
                    "take the frames out of the animation first"
                )
    except IndexError:
        pass  # the file is cut short: count the frames before its end
    return num_frames


def _gif_table_bytes(flags: int) -> int:
    """Return the length of the colour table that the flags announce."""
    return 3 * 2 ** (1 + (flags & _GIF_TABLE_BITS)) if flags & _GIF_HAS_TABLE else 0
