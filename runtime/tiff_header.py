"""The directories of a TIFF or BigTIFF file: one per page, each a table of numbered fields.

Source: TIFF 6.0 specification, section 2; BigTIFF as libtiff reads it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SUBFILE_TYPE, WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT = 254, 256, 257, 322, 323

_FIELDS_READ = frozenset({SUBFILE_TYPE, WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT})
_NUMBER_FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # BYTE, SHORT, LONG, LONG8
_REDUCED = 1


def directories(data: bytes) -> Iterator[dict[int, int]]:
    """The fields named above of each directory, as far as the file goes; absent ones are left out.

    A chain of directories that runs in a circle ends where it would begin again.

    Args:
        data: a file that begins with one of `SIGNATURES`.
    """
    order = "<" if data.startswith(b"II") else ">"
    is_big = b"+" in data[2:4]
    # Formats of an offset, of the number of fields, and of one field: tag, type, count, value.
    pointer, number, field = ("Q", "Q", "HHQ8s") if is_big else ("I", "H", "HHI4s")
    field_format = struct.Struct(order + field)
    visited: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + pointer, data, 8 if is_big else 4)
        while offset and offset not in visited:
            visited.add(offset)
            (count,) = struct.unpack_from(order + number, data, offset)
            start = offset + struct.calcsize(order + number)
            end = start + count * field_format.size
            if end > len(data):
                return
            fields = {}
            for tag, kind, _, value in field_format.iter_unpack(data[start:end]):
                if tag in _FIELDS_READ and kind in _NUMBER_FORMATS:
                    (fields[tag],) = struct.unpack_from(order + _NUMBER_FORMATS[kind], value)
            yield fields
            (offset,) = struct.unpack_from(order + pointer, data, end)
    except (struct.error, OverflowError):
        return  # cut short, or nonsense: libtiff will say so


def page_indices(data: bytes) -> list[int]:
    """Which directories are pages of their own rather than reduced copies of another."""
    return [
        index
        for index, fields in enumerate(directories(data))
        if not fields.get(SUBFILE_TYPE, 0) & _REDUCED
    ]
