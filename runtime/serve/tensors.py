"""Tensors of the Open Inference Protocol over HTTP: as JSON, and as binary data behind it.

Source: the protocol's version 2 and its binary tensor data extension, as tritonclient writes them.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.serve.refusal import Refusal

_LENGTH = struct.Struct("<I")
_MOST_SHOWN = 60


def read_message(body: bytes, json_bytes: int | None) -> tuple[dict[str, Any], memoryview]:
    """The JSON object at the beginning of a body, and the binary data behind it.

    Args:
        body: of the request.
        json_bytes: what `Inference-Header-Content-Length` says, None without one.

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
    try:
        message = json.loads(bytes(view[:end]))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the request is no JSON: {error}") from error
    if not isinstance(message, dict):
        raise Refusal(400, f"expected a JSON object, got {type(message).__name__}")
    return message, view[end:]


def images_from_message(message: Mapping[str, Any], binary: memoryview, name: str) -> list[bytes]:
    """The one BYTES tensor of a request.

    Args:
        message: the request's JSON.
        binary: what follows it.
        name: of the tensor.

    Returns:
        its elements; those given in JSON decoded from base64.

    Raises:
        Refusal: 400 if the request holds something else.
    """
    inputs = message.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Refusal(400, f"expected one input, {name!r}, of type BYTES")
    (tensor,) = inputs
    if tensor.get("name") != name or tensor.get("datatype") != "BYTES":
        raise Refusal(
            400,
            f"expected the input {name!r} of type BYTES, got {_shown(tensor.get('name'))} of type "
            f"{_shown(tensor.get('datatype'))}",
        )
    shape = tensor.get("shape")
    if not (
        isinstance(shape, list)
        and 1 <= len(shape) <= 8
        and all(type(one) is int and 0 <= one < 2**31 for one in shape)
    ):
        raise Refusal(400, f"impossible shape: expected e.g. [4], got {_shown(shape)}")
    num_bytes = parameters_of(tensor).get("binary_data_size")
    if num_bytes is None:
        elements = list(_from_json(tensor.get("data")))
    elif type(num_bytes) is not int or num_bytes != len(binary):
        raise Refusal(
            400,
            f"expected binary_data_size to be the {len(binary)} bytes behind the JSON, got "
            f"{_shown(num_bytes)}",
        )
    else:
        elements = list(_from_binary(binary))
    if len(elements) != math.prod(shape):
        raise Refusal(
            400, f"expected {math.prod(shape)} elements for the shape {shape}, got {len(elements)}"
        )
    return elements


def parameters_of(owner: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `parameters` of a request, an input or an output.

    Raises:
        Refusal: 400 if they are no object.
    """
    parameters = owner.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Refusal(400, f"expected parameters as a JSON object, got {_shown(parameters)}")
    return parameters


@dataclass(frozen=True)
class Output:
    """One tensor of an answer.

    Args:
        name: of the tensor.
        values: texts, or numbers; one for each image.
        is_binary: whether it is written behind the JSON.
    """

    name: str
    values: Sequence[str] | Sequence[float]
    is_binary: bool


def message_from_outputs(head: Mapping[str, Any], outputs: Sequence[Output]) -> tuple[bytes, int]:
    """The body of an answer, and the length of the JSON it begins with.

    Args:
        head: the answer's own keys.
        outputs: its tensors.
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
            piece = (
                _to_binary(output.values)
                if is_text
                else np.asarray(output.values, dtype="<f4").tobytes()
            )
            tensor["parameters"] = {"binary_data_size": len(piece)}
            pieces.append(piece)
        else:
            tensor["data"] = list(output.values)
        described.append(tensor)
    text = json.dumps({**head, "outputs": described}, ensure_ascii=False).encode(errors="replace")
    return b"".join([text, *pieces]), len(text)


def _from_binary(data: memoryview) -> Iterator[bytes]:
    """Each element is its length in four bytes, lowest first, and its bytes."""
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
    encoded = [str(value).encode(errors="replace") for value in values]
    return b"".join(_LENGTH.pack(len(one)) + one for one in encoded)


def _from_json(data: Any) -> Iterator[bytes]:
    """The elements of a list, of lists of them too, decoded from base64."""
    if isinstance(data, list):
        for one in data:
            yield from _from_json(one)
    elif isinstance(data, str):
        try:
            yield base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Refusal(
                400, f"expected an image file in base64, got {_shown(data)}: {error}"
            ) from error
    else:
        raise Refusal(400, f"expected a list of image files in base64, got {_shown(data)}")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} …"
