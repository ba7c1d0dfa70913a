from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.serve.bounds.refusal import Refusal
from runtime.serve.tensors import Output, images_from_message, message_from_outputs, read_message

ELEMENTS = st.lists(st.binary(max_size=40), min_size=1, max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


def packed(elements: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


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
    data = [[base64.b64encode(element).decode()] for element in elements]
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
        assert refusal.status == (413 if "too many images" in str(refusal) else 400)
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


def test_no_more_elements_than_allowed_are_looked_at() -> None:
    with pytest.raises(Refusal, match="at most 5") as refused:
        images_from_message(message(shape=[6], data=[]), memoryview(b""), "image", 5)
    assert refused.value.status == 413
    data = b"\0" * 2**20  # a quarter of a million empty elements
    read: dict[str, Any] = message(parameters={"binary_data_size": len(data)})
    del read["inputs"][0]["data"]
    with pytest.raises(Refusal, match="got more"):
        images_from_message(read, memoryview(data), "image", 5)


def test_what_the_binary_data_are_is_said_once() -> None:
    with pytest.raises(Refusal, match="got none"):
        images_from_message(message(), memoryview(b"\0\0\0\0"), "image", 5)
    both = message(parameters={"binary_data_size": 4})
    with pytest.raises(Refusal, match="got both"):
        images_from_message(both, memoryview(b"\0\0\0\0"), "image", 5)


@pytest.mark.parametrize("depth", [9, 500, 900])
def test_data_nested_deeper_than_a_shape_are_refused(depth: int) -> None:
    data: Any = ["AAAA"]
    for _ in range(depth - 1):
        data = [data]
    with pytest.raises(Refusal, match="base64"):
        images_from_message(message(data=data), memoryview(b""), "image", 5)


@pytest.mark.parametrize("num_bytes", [0, 1, 2, 3, 49150, 49151, 49152, 49153, 200_000])
def test_base64_of_any_length_comes_back(num_bytes: int) -> None:
    image = bytes(range(256)) * (num_bytes // 256 + 1)
    image = image[:num_bytes]
    read = message(data=[base64.b64encode(image).decode()])
    assert images_from_message(read, memoryview(b""), "image", 5) == [image]


@pytest.mark.parametrize("text", ["A" * 65534 + "==AAAA", "A" * 65535 + "=AAAA", "A" * 65537, "="])
def test_base64_that_is_none_is_refused_wherever_it_is(text: str) -> None:
    with pytest.raises(Refusal, match="base64"):
        images_from_message(message(data=[text]), memoryview(b""), "image", 5)


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 10**6 + b"[]]",
        b"[" + b"0," * 10**6 + b"0]",
        b'{"a":{' * 10**5,
        b'["' + b"\\n" * 10**6 + b'"]',
    ],
)
def test_json_that_is_work_is_refused_before_it_is_read(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(text: bytes) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("runtime.serve.tensors.json.loads", read)
    with pytest.raises(Refusal, match="no message of images"):
        read_message(text, None)


def test_escapes_as_some_libraries_write_base64_are_read() -> None:
    text = base64.b64encode(bytes(range(256)) * 4000).decode().replace("/", "\\/")
    read, _ = read_message(b'{"data": "' + text.encode() + b'"}', None)
    assert read["data"] == text.replace("\\/", "/")


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
