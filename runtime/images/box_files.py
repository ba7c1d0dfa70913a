"""Reads the size of JPEG 2000 and AVIF files, which are made of boxes: length, type and content.

Sources: ISO/IEC 15444-1, annexes A and I; ISO/IEC 14496-12 and 23008-12 (items and properties).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from runtime.errors import ImageError

JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM_SIGNATURE = b"\xff\x4f\xff\x51"
"""Markers at the start of a JPEG 2000 codestream and of the size segment, which must follow."""

_MOST_BOXES = 4096
_MOST_DESCRIPTION_BYTES = 2**20
_FULL_BOX_BYTES = 4  # version and flags
_AVIF_BRANDS = (b"avif", b"avis")

Size = tuple[int, int]


class _Box(NamedTuple):
    kind: bytes
    start: int
    end: int


def jp2_size(data: bytes) -> Size | None:
    """Return width and height in px of a JP2 file or a bare codestream.

    They are read from the codestream that is decoded, which is the first at the outermost level,
    and there from the segment at its very beginning.

    Raises:
        ImageError: if the header box states another size.
    """
    if data.startswith(CODESTREAM_SIGNATURE):
        return _codestream_size(data)
    stated: Size | None = None
    for box in _boxes(data, 0, len(data)):
        if box.kind == b"jp2h":
            for inner in _boxes(data, box.start, box.end):
                if inner.kind == b"ihdr":
                    height, width = struct.unpack_from(">II", data, inner.start)
                    stated = width, height
        elif box.kind == b"jp2c":
            size = _codestream_size(data[box.start : box.start + 64])
            if size is not None and size != stated:
                raise ImageError(
                    f"its JP2 header says {stated or 'no size'}, its codestream {size}; "
                    "save the image again"
                )
            return size
    return None


def avif_size(data: bytes) -> Size | None:
    """Return width and height in px of an AVIF file's primary image, None for other formats.

    Raises:
        ImageError: if it does not state exactly one size.
    """
    boxes = _boxes(data, 0, len(data))
    first = next(boxes, None)
    if first is None or first.kind != b"ftyp":
        return None
    brands = data[first.start : min(first.end, first.start + 256)]
    if not any(brand in brands for brand in _AVIF_BRANDS):
        return None
    metas = [box for box in boxes if box.kind == b"meta"]
    if len(metas) != 1 or metas[0].end - metas[0].start > _MOST_DESCRIPTION_BYTES:
        raise ImageError("not one description of the AVIF image of at most 1 MiB; save it again")
    meta = metas[0]
    # The image is an item; a table associates items with properties, one of which is the size.
    primary, properties, associations = None, list[_Box](), list[_Box]()
    for box in _boxes(data, meta.start + _FULL_BOX_BYTES, meta.end):
        if box.kind == b"pitm":
            primary = _number(data, box.start + _FULL_BOX_BYTES, 4 if data[box.start] else 2)
        elif box.kind == b"iprp":
            for inner in _boxes(data, box.start, box.end):
                if inner.kind == b"ipco":
                    properties += _boxes(data, inner.start, inner.end)
                elif inner.kind == b"ipma":
                    associations.append(inner)
    sizes = [
        struct.unpack_from(">II", data, properties[index - 1].start + _FULL_BOX_BYTES)
        for box in associations
        for index in _properties_of(data, box, primary)
        if 1 <= index <= len(properties) and properties[index - 1].kind == b"ispe"
    ]
    if len(sizes) != 1:
        raise ImageError(
            f"the AVIF file states {len(sizes)} sizes of its image, expected one; save it again"
        )
    return sizes[0]


def _codestream_size(data: bytes) -> Size | None:
    """Return width and height in px that the codestream's first segment states."""
    if not data.startswith(CODESTREAM_SIGNATURE):
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    return max(right - left, 0), max(bottom - top, 0)


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes between two positions, at most `_MOST_BOXES`; length 0 is up to the end."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif length == 0:
            length = end - start
        if length < header or start + length > end:
            raise ImageError("a box in the file is longer than the file; copy it again")
        yield _Box(kind, start + header, start + length)
        start += length
    raise ImageError(f"made of too many boxes: expected at most {_MOST_BOXES}; save it again")


def _properties_of(data: bytes, box: _Box, item: int | None) -> Iterator[int]:
    """Yield the numbers, from 1, of the properties that a table associates with an item."""
    version, flags = data[box.start], data[box.start + 3]
    id_bytes, index_bytes = 4 if version else 2, 2 if flags & 1 else 1
    (num_items,) = struct.unpack_from(">I", data, box.start + _FULL_BOX_BYTES)
    position = box.start + _FULL_BOX_BYTES + 4
    for _ in range(num_items):
        if position + id_bytes + 1 > box.end:
            raise ImageError("a table in the AVIF file is cut short; copy the file again")
        is_wanted = _number(data, position, id_bytes) == item
        count = data[position + id_bytes]
        position += id_bytes + 1
        if is_wanted:
            for place in range(position, position + count * index_bytes, index_bytes):
                yield _number(data, place, index_bytes) & (2 ** (8 * index_bytes - 1) - 1)
        position += count * index_bytes


def _number(data: bytes, position: int, num_bytes: int) -> int:
    return int.from_bytes(data[position : position + num_bytes], "big")
