"""Whether an ONNX file holds FP16 weights, told without the onnx package.

onnxruntime's CPU provider crashes the process on some FP16 networks while its NCHWc transformer is
on, so that has to be known before it opens the file.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_GRAPH_OF_MODEL, _INITIALIZER_OF_GRAPH, _TYPE_OF_TENSOR = 7, 5, 2
_FLOAT16 = 10
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5

Data = mmap.mmap | bytes


def has_half_weights(path: Path) -> bool:
    """Whether any initialiser of the main graph is FP16; False for what is no ONNX file."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return _FLOAT16 in _weight_types(data)
    except (OSError, ValueError, IndexError):
        return False  # empty, damaged or not ONNX: whoever opens it will say so


def _weight_types(data: Data) -> Iterator[int]:
    """Element type of each initialiser."""
    for model_field, graph in _fields(data, 0, len(data)):
        if model_field != _GRAPH_OF_MODEL or not isinstance(graph, slice):
            continue
        for graph_field, tensor in _fields(data, graph.start, graph.stop):
            if graph_field != _INITIALIZER_OF_GRAPH or not isinstance(tensor, slice):
                continue
            for tensor_field, value in _fields(data, tensor.start, tensor.stop):
                if tensor_field == _TYPE_OF_TENSOR and isinstance(value, int):
                    yield value


def _fields(data: Data, start: int, stop: int) -> Iterator[tuple[int, int | slice]]:
    """Fields of a protobuf message: number, and value or place."""
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
