"""What goes over HTTP, with a recogniser in this process instead of replicas."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import EngineError, OcrError
from runtime.serve.bounds.access_log import AccessLog
from tests.runtime.serve.conftest import Serve, Served, png

httpx = pytest.importorskip("httpx")
web = httpx.Client(timeout=60)  # one for all, as making one takes longer than a request

GIVEN_BACK_WITHIN_S = 10


def post(served: Served, content: bytes, **headers: str) -> Any:
    return web.post(f"{served.url}/recognize", content=content, headers=headers)


def form(images: Sequence[bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("image", (f"{place}.png", image)) for place, image in enumerate(images)]


def until(is_so: Any) -> None:
    end = time.monotonic() + GIVEN_BACK_WITHIN_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.01)
    assert is_so()


def test_one_image_as_the_body(
    serve: Serve, line_files: list[bytes], expected_texts: list[str]
) -> None:
    answer = post(serve(), line_files[0])
    assert answer.status_code == 200
    body = answer.json()
    (record,) = body["results"]
    assert body["model"] == "toy" and record["name"] is None and record["error"] is None
    assert record["text"] == expected_texts[0] == "".join(c["text"] for c in record["characters"])
    assert 0 < record["confidence"] <= 1
    for character in record["characters"]:
        left, top, right, bottom = character["box"]
        assert 0 <= left < right <= record["width_px"]
        assert 0 <= top < bottom <= record["height_px"]
        assert 0 <= character["confidence"] <= 1


def test_many_images_of_a_form_keep_their_order_and_names(
    serve: Serve, line_files: list[bytes], expected_texts: list[str]
) -> None:
    served = serve()
    answer = web.post(f"{served.url}/recognize", files=form(line_files))
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["text"] for result in results] == expected_texts
    assert [result["name"] for result in results] == [f"{place}.png" for place in range(60)]


def test_one_bad_image_is_a_reason_and_the_others_are_read(
    serve: Serve, line_files: list[bytes], expected_texts: list[str]
) -> None:
    images = [line_files[0], b"no image", line_files[1], b""]
    answer = web.post(f"{serve().url}/recognize", files=form(images))
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["text"] for result in results] == [expected_texts[0], "", expected_texts[1], ""]
    assert [bool(result["error"]) for result in results] == [False, True, False, True]


def test_no_image_that_can_be_read_is_422_with_every_reason(serve: Serve) -> None:
    answer = web.post(f"{serve().url}/recognize", files=form([b"x", b"y"]))
    assert answer.status_code == 422
    assert "not an image" in answer.json()["error"]
    assert all(reply["error"] for reply in answer.json()["results"])


@pytest.mark.parametrize("name", ["/etc/passwd", "../../secret.png", "file:///etc/passwd"])
def test_names_are_never_opened(serve: Serve, tmp_path: Path, name: str) -> None:
    served = serve()
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    for path in (name, str(secret), secret.as_uri(), "http://127.0.0.1:1/x.png"):
        assert post(served, path.encode()).status_code == 422
        answer = web.post(f"{served.url}/recognize", files=[("image", (path, b"x"))])
        assert answer.status_code == 422
        assert web.post(f"{served.url}/recognize", data={"image": path}).status_code == 422
        assert web.post(f"{served.url}/recognize", json={"image": path}).status_code == 415


def test_concurrent_callers_share_calls_and_get_their_own(
    serve: Serve, line_files: list[bytes], expected_texts: list[str]
) -> None:
    served = serve(max_batch=8, max_wait_s=0.05)

    def caller(place: int) -> str:
        text: str = post(served, line_files[place]).json()["results"][0]["text"]
        return text

    with ThreadPoolExecutor(30) as pool:
        assert list(pool.map(caller, range(60))) == expected_texts
    assert sum(served.backend.calls) == 60
    assert max(served.backend.calls) > 1


def test_a_body_that_is_too_long_is_413(serve: Serve) -> None:
    served = serve({"body_bytes": 1000})
    assert post(served, b"x" * 1001).status_code == 413

    def in_pieces() -> Any:
        for _ in range(20):
            yield b"x" * 100

    answer = web.post(f"{served.url}/recognize", content=in_pieces())
    assert answer.status_code == 413 and "1000" in answer.json()["error"]
    bomb = gzip.compress(b"x" * 10**7)
    served = serve({"body_bytes": 100_000})
    assert len(bomb) < 100_000
    assert post(served, bomb, **{"Content-Encoding": "gzip"}).status_code == 413
    assert served.service.gate.num_images == 0


def test_too_many_images_are_413(serve: Serve) -> None:
    served = serve({"images_per_request": 3})
    answer = web.post(f"{served.url}/recognize", files=form([png()] * 4))
    assert answer.status_code == 413 and "at most 3" in answer.json()["error"]


def test_an_image_of_too_many_pixels_is_refused_and_the_others_are_read(serve: Serve) -> None:
    served = serve({"pixels": 5000})
    answer = web.post(f"{served.url}/recognize", files=form([png(), png(600, 400)]))
    small, large = answer.json()["results"]
    assert small["error"] is None and "too large" in large["error"]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 400),
        (b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
        (b"--x", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
        (b"abc", {"Content-Type": "multipart/form-data"}, 400),
        (b"abc", {"Content-Type": "multipart/form-data; boundary="}, 400),
        (b"abc", {"Content-Type": "multipart/mixed; boundary=x"}, 415),
        (b"abc", {"Content-Encoding": "br"}, 415),
        (b"abc", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"abc", mtime=0)[:-6], {"Content-Encoding": "gzip"}, 400),
        (b"{}", {"Content-Type": "application/json"}, 415),
    ],
)
def test_what_is_not_understood_is_refused_with_a_reason(
    serve: Serve, content: bytes, headers: dict[str, str], status: int
) -> None:
    served = serve()
    answer = post(served, content, **headers)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert served.service.gate.num_images == served.service.gate.num_bytes == 0


def test_a_packed_body_is_unpacked(
    serve: Serve, line_files: list[bytes], expected_texts: list[str]
) -> None:
    answer = post(serve(), gzip.compress(line_files[2]), **{"Content-Encoding": "gzip"})
    assert answer.json()["results"][0]["text"] == expected_texts[2]


def test_beyond_the_queue_is_429_and_what_was_accepted_is_answered(
    serve: Serve, line_files: list[bytes], expected_texts: list[str]
) -> None:
    served = serve({"queued_images": 4, "images_per_request": 4})
    go = threading.Event()

    async def hold(images: Sequence[bytes]) -> None:
        await asyncio.to_thread(go.wait, 60)

    served.backend.before = hold
    with ThreadPoolExecutor(4) as pool:
        accepted = [pool.submit(post, served, line_files[place]) for place in range(4)]
        until(lambda: served.service.gate.num_images == 4)
        refused = post(served, line_files[4])
        go.set()
        answers = [answer.result() for answer in accepted]
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
    texts = [answer.json()["results"][0]["text"] for answer in answers]
    assert texts == expected_texts[:4]
    assert post(served, line_files[4]).json()["results"][0]["text"] == expected_texts[4]


def test_what_takes_too_long_is_504_and_gives_its_place_back(
    serve: Serve, line_files: list[bytes]
) -> None:
    served = serve({"seconds": 0.3})

    async def hold(images: Sequence[bytes]) -> None:
        await asyncio.sleep(1.5)

    served.backend.before = hold
    answer = post(served, line_files[0])
    assert answer.status_code == 504 and "0.3 s" in answer.json()["error"]
    assert served.service.gate.num_images == 0
    served.backend.before = None
    until(lambda: post(served, line_files[0]).status_code == 200)


def test_a_body_that_never_comes_is_408(serve: Serve) -> None:
    served = serve({"seconds": 0.3})
    host, port = served.socket.getsockname()
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(
            b"POST /recognize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")


def test_a_client_that_goes_away_gives_its_place_back(serve: Serve) -> None:
    served = serve()
    host, port = served.socket.getsockname()
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(
            b"POST /recognize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"
        )
        until(lambda: served.service.gate.num_bytes == 3)
    until(lambda: served.service.gate.num_bytes == 0)


def test_an_engine_that_fails_is_500_with_its_reason(serve: Serve) -> None:
    served = serve()

    async def fail(images: Sequence[bytes]) -> None:
        raise EngineError("the engine has no memory")

    served.backend.before = fail
    answer = post(served, png())
    assert answer.status_code == 500 and "no memory" in answer.json()["error"]

    async def break_down(images: Sequence[bytes]) -> None:
        raise ZeroDivisionError("a secret of the code")

    served.backend.before = break_down
    answer = post(served, png())
    assert answer.status_code == 500 and "secret" not in answer.text
    served.backend.before = None
    assert post(served, png()).status_code == 200


def test_a_key_opens_what_reads_and_tells(serve: Serve) -> None:
    served = serve(key="ein langer Schlüssel")
    open_paths = ("/", "/health", "/ready", "/v2/health/live", "/v2/health/ready")
    for path in open_paths:
        assert web.get(served.url + path).status_code == 200
    for path in ("/model", "/metrics", "/v2", "/v2/models/toy"):
        answer = web.get(served.url + path)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert post(served, png()).status_code == 401
    assert post(served, png(), **{"X-API-Key": "wrong"}).status_code == 401
    key = "ein langer Schlüssel".encode()
    for headers in ({b"X-API-Key": key}, {b"Authorization": b"bearer " + key}):
        answer = web.post(f"{served.url}/recognize", content=png(), headers=headers)
        assert answer.status_code == 200


def test_either_of_two_keys_opens_and_they_can_be_changed(serve: Serve) -> None:
    served = serve(key=("a newer key", "an older key"))
    for key in ("a newer key", "an older key"):
        assert post(served, png(), **{"X-API-Key": key}).status_code == 200
    served.service.keys = ("the newest key", "a newer key")
    assert post(served, png(), **{"X-API-Key": "an older key"}).status_code == 401
    assert post(served, png(), **{"X-API-Key": "the newest key"}).status_code == 200


def test_an_answer_may_be_short(serve: Serve) -> None:
    served = serve()
    whole, short = (
        web.post(f"{served.url}/recognize?detail={detail}", content=png()).json()["results"][0]
        for detail in ("full", "text")
    )
    assert [*short] == ["name", "text", "confidence", "warnings", "error"]
    assert {**whole, **short} == whole and "characters" in whole
    assert web.post(f"{served.url}/recognize?detail=all", content=png()).status_code == 400


def test_it_is_not_ready_while_it_drains_and_still_reads(serve: Serve) -> None:
    served = serve()
    served.service.is_draining = True
    assert web.get(f"{served.url}/ready").json() == {"error": "it is ending"}
    assert web.get(f"{served.url}/v2/health/ready").status_code == 503
    assert post(served, png()).status_code == 200


def test_requests_are_logged_without_query_and_headers(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "access.jsonl"
    with AccessLog(str(file)) as log:
        served = serve(access_log=log)
        web.get(f"{served.url}/health?a=secret", headers={"X-API-Key": "secret"})
        web.get(f"{served.url}/no%0Awhere")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [row["path"] for row in rows] == ["/health", "/no\nwhere"]
    assert [row["status"] for row in rows] == [200, 404]
    assert "secret" not in file.read_text(encoding="utf-8")
    assert {*rows[0]} == {"time", "client", "method", "path", "status", "seconds"}


def test_an_access_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OcrError, match="cannot write the access log"):
        AccessLog(str(tmp_path))


def test_ready_follows_the_replicas(serve: Serve) -> None:
    served = serve()
    paths = ("/ready", "/v2/health/ready", "/v2/models/toy/ready")
    assert [web.get(served.url + path).status_code for path in paths] == [200] * 3
    served.backend.is_up = False
    assert [web.get(served.url + path).status_code for path in paths] == [503] * 3
    assert web.get(f"{served.url}/health").status_code == 200


def test_the_model_and_the_limits_are_told(serve: Serve) -> None:
    model = web.get(f"{serve().url}/model").json()
    assert model["name"] == "toy" and model["spec"]["height"] == 32
    assert "日" in model["spec"]["characters"]
    assert model["limits"]["queued_images"] == 128


def test_metrics_count_requests_and_images(serve: Serve, line_files: list[bytes]) -> None:
    served = serve()
    web.post(f"{served.url}/recognize", files=form([line_files[0], b"bad"]))
    web.get(f"{served.url}/nowhere")
    text = web.get(f"{served.url}/metrics").text
    assert 'distilrec_requests_total{route="/recognize",status="200"} 1.0' in text
    assert 'distilrec_requests_total{route="none",status="404"} 1.0' in text
    assert 'distilrec_images_total{outcome="read"} 1.0' in text
    assert 'distilrec_images_total{outcome="error"} 1.0' in text
    assert "distilrec_in_hand_images 0.0" in text


def test_every_refusal_has_the_same_form(serve: Serve) -> None:
    served = serve()
    assert web.get(f"{served.url}/nowhere").json() == {"error": "Not Found"}
    wrong = web.get(f"{served.url}/recognize")
    assert wrong.status_code == 405 and wrong.headers["Allow"] == "POST" and wrong.json()["error"]


def test_ending_answers_what_was_accepted(
    serve: Serve, line_files: list[bytes], expected_texts: list[str]
) -> None:
    served = serve()

    async def hold(images: Sequence[bytes]) -> None:
        await asyncio.sleep(0.5)

    served.backend.before = hold
    with ThreadPoolExecutor(3) as pool:
        accepted = [pool.submit(post, served, line_files[place]) for place in range(3)]
        until(lambda: served.service.gate.num_images == 3)
        served.server.should_exit = True
        texts = [answer.result().json()["results"][0]["text"] for answer in accepted]
    assert texts == expected_texts[:3]
