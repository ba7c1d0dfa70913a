"""Reads the directories of a TIFF or BigTIFF file: one per page, each a table of numbered fields.

Source: TIFF 6.0 specification, section 2; BigTIFF as libtiff reads it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from runtime.errors import ImageError

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SUBFILE_TYPE, WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT = 254, 256, 257, 322, 323

MOST_ENTRIES = 2**16
"""Bound of the fields and directories of a file together: 1,000 pages of 64 fields.

Directories may overlap, so the length of the file bounds nothing.
"""

_NAMES = {
    SUBFILE_TYPE: "subfile type", WIDTH: "width", HEIGHT: "height",
    TILE_WIDTH: "tile width", TILE_HEIGHT: "tile height",
}  # fmt: skip
_NUMBER_FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # BYTE, SHORT, LONG, LONG8
_REDUCED = 1


class Directory(NamedTuple):
    """A directory of a TIFF file.

    Args:
        offset: of the directory in the file, in bytes.
        fields: tag -> value, of the tags named above.
        doubt: why the fields are ambiguous, None if they are not.
    """

    offset: int
    fields: dict[int, int]
    doubt: str | None


def directories(data: bytes) -> Iterator[Directory]:
    """Yield the directories in the order of their chain, up to the end of the file.

    A circular chain ends where it would begin again.

    Args:
        data: a file that begins with one of `SIGNATURES`.

    Raises:
        ImageError: once there are more than `MOST_ENTRIES` fields and directories.
    """
    order = "<" if data.startswith(b"II") else ">"
    is_big = b"+" in data[2:4]
    # Formats of an offset, of the number of fields, and of one field: tag, type, count, value.
    pointer, number, field = ("Q", "Q", "HHQ8s") if is_big else ("I", "H", "HHI4s")
    field_format = struct.Struct(order + field)
    visited: set[int] = set()
    num_entries = 0
    try:
        (offset,) = struct.unpack_from(order + pointer, data, 8 if is_big else 4)
        while offset and offset not in visited:
            visited.add(offset)
            (count,) = struct.unpack_from(order + number, data, offset)
            start = offset + struct.calcsize(order + number)
            end = start + count * field_format.size
            if end > len(data):
                return
            num_entries += count + 1
            if num_entries > MOST_ENTRIES:
                raise ImageError(
                    f"too many entries in the directories of the TIFF file: expected at most "
                    f"{MOST_ENTRIES}; save the pages in several files"
                )
            yield _directory(offset, order, field_format.iter_unpack(data[start:end]))
            (offset,) = struct.unpack_from(order + pointer, data, end)
    except (struct.error, OverflowError):
        return  # cut short or damaged: libtiff reports it


def page_indices(data: bytes) -> list[int]:
    """Return the indices of the directories that are pages, not reduced copies of a page."""
    return [
        index
        for index, directory in enumerate(directories(data))
        if not directory.fields.get(SUBFILE_TYPE, 0) & _REDUCED
    ]


def page_size(data: bytes, page: int) -> tuple[int, int] | None:
    """Return width and height in px of a page, None if there is no such page.

    Raises:
        ImageError: if the directory states no size, or states it in a way that decoders read
            differently: twice, as a list, or as a number with a sign.
    """
    directory = next(islice(directories(data), page, page + 1), None)
    if directory is None:
        return None
    if directory.doubt:
        raise ImageError(f"the TIFF file {directory.doubt}; save the image again")
    fields = directory.fields
    if WIDTH not in fields or HEIGHT not in fields:
        raise ImageError("the TIFF file states no width and height; save the image again")
    return fields[WIDTH], fields[HEIGHT]


def tile_size(data: bytes, page: int) -> tuple[int, int]:
    """Return width and height in px of the tiles of a page, 0 without tiles.

    libtiff decodes whole tiles, which may be larger than the page.
    """
    directory = next(islice(directories(data), page, page + 1), None)
    fields = directory.fields if directory else {}
    return fields.get(TILE_WIDTH, 0), fields.get(TILE_HEIGHT, 0)


def with_first_page(data: bytes, page: int) -> bytes:
    """Return the file with its chain of directories beginning at that of `page`.

    A decoder then reaches the page without reading all directories before it.
    """
    directory = next(islice(directories(data), page, page + 1), None)
    if page == 0 or directory is None:
        return data
    order = "<" if data.startswith(b"II") else ">"
    if b"+" in data[2:4]:
        return data[:8] + struct.pack(f"{order}Q", directory.offset) + data[16:]
    return data[:4] + struct.pack(f"{order}I", directory.offset) + data[8:]


def _directory(
    offset: int, order: str, entries: Iterator[tuple[int, int, int, bytes]]
) -> Directory:
    """Return a directory with the fields that are named above, and what is doubtful in them."""
    fields: dict[int, int] = {}
    doubt = None
    for tag, kind, count, value in entries:
        if tag not in _NAMES:
            continue
        if tag in fields:
            doubt = f"states its {_NAMES[tag]} twice"
        elif kind not in _NUMBER_FORMATS:
            doubt = f"states its {_NAMES[tag]} as a field of type {kind}, expected 1, 3, 4 or 16"
        elif count != 1:
            doubt = f"states {count} values of its {_NAMES[tag]}, expected one"
        elif struct.calcsize(_NUMBER_FORMATS[kind]) > len(value):
            doubt = f"states its {_NAMES[tag]} elsewhere, expected it in the directory"
        else:
            (fields[tag],) = struct.unpack_from(order + _NUMBER_FORMATS[kind], value)
    return Directory(offset, fields, doubt)
