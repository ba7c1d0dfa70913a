"""Walks protobuf bytes without a schema: fields one after the other, their content passed over."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

Data = mmap.mmap | bytes | bytearray

_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5


def fields_of(data: Data, start: int, stop: int) -> Iterator[tuple[int, int | slice]]:
    """Walk the fields of one message.

    Args:
        data: all bytes.
        start, stop: where the message lies in them.

    Yields:
        number of the field, and its value, or the place of its content, which may be a message.

    Raises:
        ValueError, IndexError: if the bytes are no message.
    """
    place = start
    while place < stop:
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield tag >> 3, value
        elif kind == _COUNTED:
            length, place = _varint(data, place)
            yield tag >> 3, slice(place, min(place + length, stop))
            place += length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            place += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"not a protobuf field: kind {kind}")


def _varint(data: Data, place: int) -> tuple[int, int]:
    """A number and the place after it."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if not byte & 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("not a protobuf number")
