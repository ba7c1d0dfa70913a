"""Nothing that takes longer for a longer request keeps others waiting."""

from __future__ import annotations

import asyncio
import base64
import gzip
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import runtime.serve.app
import runtime.serve.bounds.body
import runtime.serve.protocol
import runtime.serve.service
from tests.runtime.serve.conftest import Serve, Served, png

httpx = pytest.importorskip("httpx")

HANG_S = 60
MIB = 2**20
FORM = "multipart/form-data; boundary=b"
INFER = "/v2/models/toy/infer"
PART = b'--b\r\nContent-Disposition: form-data; name="i"; filename="x"\r\n\r\n'


def post(served: Served, path: str, content: bytes, **headers: str) -> Any:
    return httpx.post(served.url + path, content=content, headers=headers, timeout=HANG_S)


def message(data: bytes) -> bytes:
    tensor = b'{"name": "image", "datatype": "BYTES", "shape": [1], "data": [%s]}'
    return b'{"inputs": [%s]}' % (tensor % data)


@pytest.mark.parametrize(
    ("holder", "name", "path"),
    [
        (runtime.serve.service, "declared_size", "/recognize"),
        (runtime.serve.bounds.body, "unpacked", "/recognize"),
        (runtime.serve.bounds.body, "_form_images", "/recognize"),
        (runtime.serve.app, "_json_of_reading", "/recognize"),
        (runtime.serve.protocol, "read_message", INFER),
        (runtime.serve.protocol, "images_from_message", INFER),
    ],
)
def test_others_are_answered_while_a_request_is_parsed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, holder: Any, name: str, path: str
) -> None:
    begun, go = threading.Event(), threading.Event()
    original = getattr(holder, name)

    def held(*arguments: Any) -> Any:
        begun.set()
        assert go.wait(HANG_S)
        return original(*arguments)

    monkeypatch.setattr(holder, name, held)
    monkeypatch.setattr(runtime.serve.app, "_FEW_CHARACTERS", -1)  # as of a long answer
    served = serve()
    content, headers = PART + png() + b"\r\n--b--\r\n", {"Content-Type": FORM}
    if path == INFER:
        content, headers = message(b'"%s"' % base64.b64encode(png())), {}
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(post, served, path, content, **headers)
        try:
            assert begun.wait(HANG_S)
            for _ in range(5):
                assert httpx.get(f"{served.url}/health", timeout=HANG_S).status_code == 200
            assert not asked.done()
        finally:
            go.set()
        assert asked.result().status_code == 200


def test_small_bodies_wait_for_no_large_one(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Semaphore(0), threading.Event()
    unpacked = runtime.serve.bounds.body.unpacked

    def held(body: Any, limits: Any) -> bytes:
        if len(body.data) >= MIB:
            begun.release()
            assert go.wait(HANG_S)
        return unpacked(body, limits)

    monkeypatch.setattr(runtime.serve.bounds.body, "unpacked", held)
    served = serve()
    with ThreadPoolExecutor(8) as pool:
        large = [pool.submit(post, served, "/recognize", bytes(MIB)) for _ in range(8)]
        try:
            assert begun.acquire(timeout=HANG_S)
            for _ in range(3):
                assert post(served, "/recognize", png()).status_code == 200
            assert not any(answer.done() for answer in large)
        finally:
            go.set()
        assert [answer.result().status_code for answer in large] == [422] * 8


HOSTILE: dict[str, tuple[str, bytes, dict[str, str], int]] = {
    "bomb": (
        "/recognize",
        gzip.compress(bytes(64 * MIB), 1),
        {"Content-Encoding": "gzip"},
        413,
    ),
    "two streams": (
        "/recognize",
        gzip.compress(png()) + gzip.compress(b"x"),
        {"Content-Encoding": "gzip"},
        400,
    ),
    "parts": ("/recognize", (PART + b"\r\n") * 50_000, {"Content-Type": FORM}, 413),
    "fields": (
        "/recognize",
        b'--b\r\nContent-Disposition: form-data; name="i"\r\n\r\n\r\n' * 50_000,
        {"Content-Type": FORM},
        400,
    ),
    "a part's header": (
        "/recognize",
        b"--b\r\nX: " + b"a" * (4 * MIB),
        {"Content-Type": FORM},
        400,
    ),
    "near boundaries": (
        "/recognize",
        PART + b"\r\n--" * MIB + b"\r\n--b--\r\n",
        {"Content-Type": FORM},
        422,
    ),
    "lists": (INFER, b"[" + b"[]," * (3 * MIB) + b"[]]", {}, 400),
    "deep": (INFER, b"[" * 8 * MIB, {}, 400),
    "escapes": (INFER, message(b'"' + b"\\n" * (4 * MIB) + b'"'), {}, 400),
    "base64": (INFER, message(b'"' + base64.b64encode(bytes(6 * MIB)) + b'"'), {}, 422),
    "raw": ("/recognize", b"\x89PNG\r\n\x1a\n" * MIB, {}, 422),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_sent_to_stop_it_is_answered(serve: Serve, kind: str) -> None:
    path, content, headers, expected = HOSTILE[kind]
    served = serve()
    answer = post(served, path, content, **headers)
    assert answer.status_code == expected and answer.json()["error"]
    assert served.service.gate.num_bytes == served.service.gate.num_images == 0
    assert httpx.get(f"{served.url}/health", timeout=HANG_S).status_code == 200


def test_many_who_ask_whether_it_is_ready_are_one_question(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()
    num_asked, go = 0, threading.Event()

    async def is_ready() -> bool:
        nonlocal num_asked
        num_asked += 1
        await asyncio.to_thread(go.wait, HANG_S)
        return True

    monkeypatch.setattr(served.backend, "is_ready", is_ready)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(httpx.get, f"{served.url}/ready", timeout=HANG_S) for _ in range(8)]
        while served.service.connections.num_open < 8:
            time.sleep(0.01)
        go.set()
        assert [answer.result().status_code for answer in asked] == [200] * 8
    assert num_asked < 8
