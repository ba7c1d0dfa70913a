"""What an ONNX file says of its weights, told before an engine opens it, without the onnx package.

onnxruntime's CPU provider crashes the process on some FP16 networks while its NCHWc transformer is
on. Weights may lie in files of their own, and older versions of onnxruntime read any file that the
model names.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runtime.engines.protobuf import Data, fields_of
from runtime.errors import ArtifactError
from runtime.fields import shown

_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        **{5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
        **{22: "sparse", 23: "sparse"},
    },
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Messages of onnx.proto that weights may lie in: field number -> kind of message."""
_TYPE, _EXTERNAL = 2, 13
_KEY, _VALUE = 1, 2
_FLOAT16 = 10
_EIGHT_BIT = (2, 3)
"""UINT8 and INT8."""
_METADATA = 14
_MOST_FIELDS = 4_000_000
"""A network has some ten thousand; the walk through as many takes seconds."""


@dataclass(frozen=True)
class Weights:
    """What is told of the weights.

    Args:
        has_half: whether any of them is FP16.
        files: names of the files that they lie in, as the model says them; empty when all lie in
            the model.
        has_eight_bit: whether any of them is 8-bit, as in a quantised network alone.
    """

    has_half: bool = False
    files: frozenset[str] = frozenset()
    has_eight_bit: bool = False


def weights_of(path: Path) -> Weights:
    """Tell the weights of a file; as one without any for what is no ONNX file.

    Raises:
        ArtifactError: if the file has more parts than any model of text.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            kinds, files = set(), set()
            for kind, told in _tensors(data):
                if kind == _EXTERNAL:
                    files.add(str(told))
                else:
                    kinds.add(told)
            return Weights(_FLOAT16 in kinds, frozenset(files), not kinds.isdisjoint(_EIGHT_BIT))
    except (OSError, ValueError, IndexError):
        return Weights()  # empty, damaged or not ONNX: whoever opens it will say so


def metadata_of(path: Path) -> dict[str, str]:
    """Return what a file says of itself, by key; nothing where it is no ONNX file."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            entries = fields_of(data, 0, len(data))
            return dict(
                _pair(data, place)
                for number, place in entries
                if number == _METADATA and isinstance(place, slice)
            )
    except (OSError, ValueError, IndexError):
        return {}


def check_files(path: Path, weights: Weights) -> None:
    """Refuse a model whose weights lie outside its folder, or nowhere.

    Args:
        path: of the model.
        weights: of it.

    Raises:
        ArtifactError: naming the file that it asks for.
    """
    homes = (path.parent.resolve(), path.resolve().parent)
    for name in sorted(weights.files):
        said = PurePosixPath(name.replace("\\", "/"))
        is_plain = bool(name) and "\0" not in name and not said.is_absolute()
        beside = path.parent / said
        if is_plain and ".." not in said.parts:
            if not beside.is_file():
                raise ArtifactError(
                    f"{path}: its weights lie in a file of their own: expected {shown(name)} in "
                    "the folder of the model, got no such file; copy it there too"
                )
            if any(beside.resolve().is_relative_to(home) for home in homes):
                continue
        raise ArtifactError(
            f"{path}: its weights lie outside its folder: expected a file in {path.parent}, got "
            f"{shown(name)}; do not use this file unless you trust it, and then copy the weights "
            "beside it under a plain name"
        )


def _tensors(data: Data) -> Iterator[tuple[int, int | str]]:
    """Of every tensor: `_TYPE` and its element type, `_EXTERNAL` and the name of its file."""
    for fields in tensors_in(data):
        for number, value in fields:
            if number == _TYPE and isinstance(value, int):
                yield _TYPE, value
            elif number == _EXTERNAL and isinstance(value, slice):
                key, text = _pair(data, value)
                if key == "location":
                    yield _EXTERNAL, text


def tensors_in(data: Data) -> Iterator[list[tuple[int, int | slice]]]:
    """Yield the fields of every tensor of a model, as `fields_of` tells them.

    Raises:
        ArtifactError: if there are more parts than in any model.
        ValueError, IndexError: if the bytes are no model.
    """
    pending, num_fields = [("model", 0, len(data))], 0
    while pending:
        kind, start, stop = pending.pop()
        parts, fields = _PARTS.get(kind), []
        for number, value in fields_of(data, start, stop):
            num_fields += 1
            if num_fields > _MOST_FIELDS:
                raise ArtifactError(
                    f"the model is none of text: expected up to {_MOST_FIELDS} fields in the file, "
                    "got more; give a text recognition or detection model"
                )
            if parts is None:
                fields.append((number, value))
            elif number in parts and isinstance(value, slice):
                pending.append((parts[number], value.start, value.stop))
        if parts is None:
            yield fields


def _pair(data: Data, place: slice) -> tuple[str, str]:
    """Key and value of one entry."""
    texts = {
        number: data[value].decode("utf-8", "surrogateescape")
        for number, value in fields_of(data, place.start, place.stop)
        if isinstance(value, slice)
    }
    return texts.get(_KEY, ""), texts.get(_VALUE, "")
