from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.serve.refusal import Refusal
from runtime.serve.tensors import Output, images_from_message, message_from_outputs, read_message

ELEMENTS = st.lists(st.binary(max_size=40), min_size=1, max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


def packed(elements: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(one)) + one for one in elements)


def message(**changes: object) -> dict[str, object]:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["AAAA"], **changes}
    return {"inputs": [tensor]}


@given(ELEMENTS)
def test_binary_elements_come_back(elements: list[bytes]) -> None:
    data = packed(elements)
    head = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [len(elements), 1],
        "parameters": {"binary_data_size": len(data)},
    }
    text = json.dumps({"inputs": [head]}).encode()
    read, binary = read_message(text + data, len(text))
    assert images_from_message(read, binary, "image", 5) == elements


@given(ELEMENTS)
def test_base64_elements_come_back_from_nested_lists_too(elements: list[bytes]) -> None:
    data = [[base64.b64encode(one).decode()] for one in elements]
    read = message(shape=[len(elements), 1], data=data)
    assert images_from_message(read, memoryview(b""), "image", 5) == elements


@given(st.binary(max_size=60), st.integers(0, 70) | st.none())
def test_any_body_is_a_message_or_refused(body: bytes, json_bytes: int | None) -> None:
    try:
        read, _ = read_message(body, json_bytes)
    except Refusal as refusal:
        assert refusal.status == 400
    else:
        assert isinstance(read, dict)


@given(JSON, st.sampled_from(["name", "datatype", "shape", "data", "parameters", "all"]))
def test_any_json_is_a_tensor_or_refused(value: object, place: str) -> None:
    read = {"inputs": value} if place == "all" else message(**{place: value})
    try:
        images = images_from_message(read, memoryview(b""), "image", 5)
    except Refusal as refusal:
        assert refusal.status == 400
    else:
        assert all(isinstance(image, bytes) for image in images)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "x"}, "expected the input 'image'"),
        ({"datatype": "FP32"}, "of type BYTES"),
        ({"shape": []}, "impossible shape"),
        ({"shape": [-1]}, "impossible shape"),
        ({"shape": [True]}, "impossible shape"),
        ({"shape": [2]}, "expected 2 elements"),
        ({"data": ["äö"]}, "base64"),
        ({"data": None}, "base64"),
        ({"parameters": {"binary_data_size": 5}}, "binary_data_size"),
        ({"parameters": [1]}, "parameters as a JSON object"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        images_from_message(message(**changes), memoryview(b""), "image", 5)


@pytest.mark.parametrize("data", [b"\x05", b"\x05\0\0\0abc", b"\xff\xff\xff\xff"])
def test_binary_data_cut_short_are_refused(data: bytes) -> None:
    read: dict[str, Any] = message(parameters={"binary_data_size": len(data)})
    del read["inputs"][0]["data"]
    with pytest.raises(Refusal, match="binary data"):
        images_from_message(read, memoryview(data), "image", 5)


def test_deep_json_is_refused() -> None:
    with pytest.raises(Refusal):
        read_message(b"[" * 10**6, None)
    with pytest.raises(Refusal):
        read_message(b'{"inputs": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", None)


def test_outputs_are_written_as_asked() -> None:
    outputs = [
        Output("text", ["aé", ""], is_binary=True),
        Output("confidence", [0.5, 0.0], is_binary=True),
        Output("error", ["", "bad"], is_binary=False),
    ]
    body, json_bytes = message_from_outputs({"id": "7"}, outputs)
    head, binary = json.loads(body[:json_bytes]), body[json_bytes:]
    assert head["id"] == "7"
    text, confidence, error = head["outputs"]
    assert text["parameters"]["binary_data_size"] == 4 + 3 + 4
    assert confidence["datatype"] == "FP32" and error["data"] == ["", "bad"]
    assert binary == packed(["aé".encode(), b""]) + struct.pack("<2f", 0.5, 0.0)
