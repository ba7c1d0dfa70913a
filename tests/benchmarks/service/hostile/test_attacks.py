"""The attacks by name: their bytes are what they claim."""

from __future__ import annotations

import base64
import json
import re
import zlib

import pytest

from benchmarks.service.hostile.attack import Endless, Hold, Post, Target
from benchmarks.service.hostile.attacks import ATTACKS
from tests.benchmarks.service.hostile.conftest import is_whole

TARGET = Target("127.0.0.1", 1, "toy", b"an image", ("127.0.0.2",))
CHEAP = 0.01


def requests_of(name: str, size: float) -> list[bytes]:
    attack = ATTACKS[name](TARGET, size)
    assert isinstance(attack, Post)
    return list(attack.requests)


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("name", ATTACKS)
def test_each_says_what_it_does_and_is_bounded(name: str) -> None:
    assert (ATTACKS[name].__doc__ or "").endswith(".")
    attack = ATTACKS[name](TARGET, CHEAP)
    assert 0 < attack.connections <= 32 and 0 < attack.per_second <= 500
    if isinstance(attack, Endless):
        assert len(attack.chunk) <= attack.most_bytes <= 2 * 2**20 + len(attack.chunk)


@pytest.mark.parametrize("name", ATTACKS)
def test_whole_requests_are_http(name: str) -> None:
    attack = ATTACKS[name](TARGET, CHEAP)
    if isinstance(attack, Post) and name != "pipelined":
        assert all(is_whole(request) for request in attack.requests)
        begin = re.compile(rb"POST /\S+ HTTP/1.1\r\nHost: ")
        assert all(begin.match(request) for request in attack.requests)


@pytest.mark.parametrize(
    ("name", "number"), [("half_headers", 1000), ("silent", 1000), ("connections", 1124)]
)
def test_connections_are_as_many_as_said(name: str, number: int) -> None:
    attack = ATTACKS[name](TARGET, 1.0)
    assert isinstance(attack, Hold) and attack.connections == number
    assert b"\r\n\r\n" not in attack.head


@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith("header_")])
def test_headers_go_on_to_200_mib(name: str) -> None:
    attack = ATTACKS[name](TARGET, 1.0)
    assert isinstance(attack, Endless) and attack.most_bytes == 200 * 2**20
    sent = attack.head + 3 * attack.chunk
    assert b"\r\n\r\n" not in sent  # no end before the tail
    assert (sent + attack.tail).count(b"\r\n\r\n") == 1
    num_lines = sent.count(b"\r\n")
    assert num_lines > 20_000 if name in ("header_many", "header_cookie") else num_lines <= 2


def test_images_are_those_of_the_issue() -> None:
    assert len(body_of(*requests_of("jpeg_fill", 1.0))) == 2**20 + 2
    assert len(body_of(*requests_of("pnm_newlines", 1.0))) == 2**20 + 3
    assert body_of(*requests_of("jpeg_scans", 1.0)).count(b"\xff\xda") == 1000
    assert body_of(*requests_of("jpeg_fewer_scans", 1.0)).count(b"\xff\xda") == 90
    assert len(body_of(*requests_of("large_png", 1.0))) < 100_000
    assert len(body_of(*requests_of("tiff_overlap", 1.0))) < 2**20
    assert len(body_of(*requests_of("tiff_slong", 1.0))) < 2 * 2**20


def test_a_bomb_unpacks_to_what_it_says() -> None:
    body = body_of(*requests_of("gzip_bomb", 0.1))
    unpacker, num_bytes = zlib.decompressobj(31), 0
    data = body
    while data and not unpacker.eof:
        num_bytes += len(unpacker.decompress(data, 2**22))
        data = unpacker.unconsumed_tail
    assert unpacker.eof and num_bytes == 26 * 2**20
    assert len(body) < num_bytes // 900


def test_outputs_are_repeated_for_images_that_can_be_read() -> None:
    (request,) = requests_of("repeated_outputs", 1.0)
    assert b"POST /v2/models/toy/infer HTTP/1.1" in request
    message = json.loads(body_of(request))
    assert len(message["outputs"]) == 20_000 and len(message["inputs"][0]["data"]) == 16


def test_large_json_holds_base64() -> None:
    (body,) = map(body_of, requests_of("large_json", 0.1))
    (data,) = json.loads(body)["inputs"][0]["data"]
    assert len(base64.b64decode(data, validate=True)) > 2**20


def test_json_is_nested_beyond_a_parser_and_within_it() -> None:
    deep, *others = map(body_of, requests_of("json_nesting", 1.0))
    assert deep.count(b"[") == 1_000_000
    with pytest.raises(RecursionError):
        json.loads(deep)
    assert json.loads(others[0])["inputs"][0]["shape"] == [1]


def test_requests_are_pipelined() -> None:
    (requests,) = requests_of("pipelined", 1.0)
    once = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert requests == 20_000 * once


def test_forms_have_so_many_parts() -> None:
    body = body_of(*requests_of("form_parts", 0.1))
    assert body.count(b"Content-Disposition") == 20_000
    header = body_of(*requests_of("form_header", 1.0)).split(b"\r\n")[1]
    assert 15 * 2**20 < len(header) < 16 * 2**20
    assert body_of(*requests_of("disconnects", 1.0)).count(TARGET.image) == 16
