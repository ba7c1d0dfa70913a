"""Reads and writes tensors of the Open Inference Protocol over HTTP, in JSON and binary data.

Source: the protocol's version 2 and its binary tensor data extension, as tritonclient writes them.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.serve.bounds.refusal import Refusal

_LENGTH = struct.Struct("<I")
_MOST_SHOWN = 60
_MOST_DIMENSIONS = 8

_MOST_MARKS = 20_000
_MOST_ESCAPES = 10_000
_PIECE_BYTES = 64 * 2**10
_BASE64_PIECE = 4 * 2**14


def read_message(body: bytes, json_bytes: int | None) -> tuple[dict[str, Any], memoryview]:
    """Split a body into the JSON object at its beginning and the binary data after it.

    Args:
        body: of the request.
        json_bytes: value of `Inference-Header-Content-Length`, None without it.

    Raises:
        Refusal: 400 if there is no such object.
    """
    if json_bytes is not None and json_bytes > len(body):
        raise Refusal(
            400,
            f"Inference-Header-Content-Length is {json_bytes}: expected at most the body's "
            f"{len(body)} bytes",
        )
    view = memoryview(body)
    end = len(body) if json_bytes is None else json_bytes
    text = bytes(view[:end])
    _check_work(text)
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the request is no JSON: {error}") from error
    if not isinstance(message, dict):
        raise Refusal(400, f"expected a JSON object, got {type(message).__name__}")
    return message, view[end:]


def images_from_message(
    message: Mapping[str, Any], binary: memoryview, name: str, most_images: int
) -> list[bytes]:
    """Return the elements of the only input of a request, a BYTES tensor.

    Args:
        message: the request's JSON.
        binary: the binary data after it.
        name: of the tensor.
        most_images: elements at most.

    Returns:
        the elements; those given in JSON are decoded from base64.

    Raises:
        Refusal: 400 if the request holds something else, 413 if it holds more.
    """
    # The tensor itself: one, and of this name and type.
    inputs = message.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Refusal(400, f"expected one input, {name!r}, of type BYTES")
    (tensor,) = inputs
    if tensor.get("name") != name or tensor.get("datatype") != "BYTES":
        raise Refusal(
            400,
            f"expected the input {name!r} of type BYTES, got {_short_json(tensor.get('name'))} of "
            f"type {_short_json(tensor.get('datatype'))}",
        )
    # Its elements: in binary or in JSON, and no more of them are decoded than the shape says.
    num_images = _count_elements(tensor.get("shape"), most_images)
    num_bytes = parameters_of(tensor).get("binary_data_size")
    if num_bytes is None:
        if binary:
            raise Refusal(
                400,
                f"expected binary_data_size to say what the {len(binary)} bytes behind the JSON "
                "are, got none",
            )
        found = _from_json(tensor.get("data"))
    elif type(num_bytes) is not int or num_bytes != len(binary):
        raise Refusal(
            400,
            f"expected binary_data_size to be the {len(binary)} bytes behind the JSON, got "
            f"{_short_json(num_bytes)}",
        )
    elif "data" in tensor:
        raise Refusal(400, "expected data or binary_data_size of an input, got both")
    else:
        found = _from_binary(binary)
    elements = list(itertools.islice(found, num_images + 1))
    if len(elements) != num_images:
        got = "more" if len(elements) > num_images else len(elements)
        raise Refusal(
            400,
            f"expected {num_images} elements for the shape {_short_json(tensor['shape'])}, got "
            f"{got}",
        )
    return elements


def _count_elements(shape: Any, most_images: int) -> int:
    """Return the number of elements of a shape.

    Raises:
        Refusal: 400 if it is no shape, 413 if there are more than `most_images`.
    """
    if not (
        isinstance(shape, list)
        and 1 <= len(shape) <= _MOST_DIMENSIONS
        and all(type(length) is int and 0 <= length < 2**31 for length in shape)
    ):
        raise Refusal(400, f"impossible shape: expected e.g. [4], got {_short_json(shape)}")
    num_images = math.prod(shape)
    if num_images > most_images:
        raise Refusal(
            413,
            f"too many images: expected at most {most_images} in a request, got {num_images}; send "
            "several requests",
        )
    return num_images


def parameters_of(owner: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `parameters` of a request, an input or an output.

    Raises:
        Refusal: 400 if they are no object.
    """
    parameters = owner.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Refusal(400, f"expected parameters as a JSON object, got {_short_json(parameters)}")
    return parameters


@dataclass(frozen=True)
class Output:
    """A tensor of an answer.

    Args:
        name: of the tensor.
        values: a text or number for each image.
        is_binary: whether it is written after the JSON.
    """

    name: str
    values: Sequence[str] | Sequence[float]
    is_binary: bool


def message_from_outputs(head: Mapping[str, Any], outputs: Sequence[Output]) -> tuple[bytes, int]:
    """Write the body of an answer.

    Args:
        head: the answer's own keys.
        outputs: its tensors.

    Returns:
        the body, and the length in bytes of the JSON that it begins with.
    """
    described, pieces = [], []
    for output in outputs:
        is_text = output.name != "confidence"
        tensor: dict[str, Any] = {
            "name": output.name,
            "datatype": "BYTES" if is_text else "FP32",
            "shape": [len(output.values)],
        }
        if output.is_binary:
            numbers = None if is_text else np.asarray(output.values, dtype="<f4")
            piece = _to_binary(output.values) if numbers is None else numbers.tobytes()
            tensor["parameters"] = {"binary_data_size": len(piece)}
            pieces.append(piece)
        else:
            tensor["data"] = list(output.values)
        described.append(tensor)
    text = json.dumps({**head, "outputs": described}, ensure_ascii=False).encode(errors="replace")
    return b"".join([text, *pieces]), len(text)


def _from_binary(data: memoryview) -> Iterator[bytes]:
    """Yield the elements of binary data: each has its length in 4 bytes, lowest first, in front."""
    position = 0
    while position < len(data):
        if len(data) - position < _LENGTH.size:
            raise Refusal(400, "the binary data end within the length of an element")
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if length > len(data) - position:
            raise Refusal(
                400,
                f"an element of the binary data is cut short: expected {length} bytes, got "
                f"{len(data) - position}",
            )
        yield bytes(data[position : position + length])
        position += length


def _to_binary(values: Sequence[Any]) -> bytes:
    """Write texts as binary data, each after its length."""
    encoded = [str(value).encode(errors="replace") for value in values]
    return b"".join(_LENGTH.pack(len(text)) + text for text in encoded)


def _from_json(data: Any, depth: int = 1) -> Iterator[bytes]:
    """Yield the elements of a list, nested lists included, decoded from base64."""
    if isinstance(data, list) and depth <= _MOST_DIMENSIONS:
        for inner in data:
            yield from _from_json(inner, depth + 1)
    elif isinstance(data, str):
        try:
            yield _from_base64(data)
        except (binascii.Error, ValueError) as error:
            raise Refusal(
                400, f"expected an image file in base64, got {_short_json(data)}: {error}"
            ) from error
    else:
        raise Refusal(400, f"expected a list of image files in base64, got {_short_json(data)}")


def _from_base64(text: str) -> bytes:
    """Decode base64 in pieces, so that other threads can run in between."""
    pieces = []
    for begin in range(0, len(text), _BASE64_PIECE):
        piece = text[begin : begin + _BASE64_PIECE]
        if "=" in piece and begin + _BASE64_PIECE < len(text):
            raise ValueError("padding before its end")
        pieces.append(base64.b64decode(piece, validate=True))
    return b"".join(pieces)


def _check_work(text: bytes) -> None:
    """Refuse JSON of very many values or escapes, which block all other threads while it is read.

    16 MiB of empty lists take 7 s and 0.5 GiB; 16 MiB of images in base64 take 0.05 s.

    Raises:
        Refusal: 400.
    """
    num_marks = num_escapes = 0
    for begin in range(0, len(text), _PIECE_BYTES):
        piece = text[begin : begin + _PIECE_BYTES]
        num_marks += sum(piece.count(mark) for mark in (b"[", b"{", b",", b":"))
        num_escapes += piece.count(b"\\")
        if num_marks > _MOST_MARKS or num_escapes > _MOST_ESCAPES + len(text) // 16:
            raise Refusal(
                400,
                "the request's JSON is no message of images: expected at most "
                f"{_MOST_MARKS} values and few escapes, got more",
            )


def _short_json(value: Any) -> str:
    """Return the beginning of a value's JSON, for a message."""
    if isinstance(value, str):
        value = value[:_MOST_SHOWN]
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} …"
