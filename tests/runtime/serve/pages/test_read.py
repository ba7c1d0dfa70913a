"""`POST /read`, with a page reader of toy models in this process."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.errors import EngineError
from runtime.pages.reader import PageReader
from runtime.serve.batcher import ReplicaLost
from runtime.serve.pages.documents import PageAsk
from tests.runtime.images.pdf import odd_files
from tests.runtime.serve.conftest import Serve, Served, png
from tests.runtime.serve.pages.conftest import ServePages, bar_page, tiff_of

httpx = pytest.importorskip("httpx")
web = httpx.Client(timeout=60)

GIVEN_BACK_WITHIN_S = 10


def read(served: Served, content: bytes, options: str = "", **headers: str) -> Any:
    return web.post(f"{served.url}/read{options}", content=content, headers=headers)


def form(**files: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("image", (name, data)) for name, data in files.items()]


def until(is_so: Any) -> None:
    end = time.monotonic() + GIVEN_BACK_WITHIN_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.01)
    assert is_so()


def test_a_page_is_what_a_reader_reads_offline(
    serve_pages: ServePages, toy_file: Path, toy_detector_file: Path
) -> None:
    with PageReader(toy_detector_file, toy_file) as reader:
        (expected,) = reader([bar_page()])
    answer = read(serve_pages(), bar_page())
    assert answer.status_code == 200 and answer.json()["model"] == "toy"
    (record,) = answer.json()["results"]
    assert record["text"] == expected.text != "" and len(record["lines"]) == 3
    assert (record["name"], record["page"], record["num_pages"]) == (None, None, 1)
    assert (record["width_px"], record["height_px"], record["error"]) == (300, 200, None)
    line = record["lines"][0]
    assert line["text"] == expected.lines[0].text and len(line["points"]) >= 4
    assert {"confidence", "words", "column", "row", "is_unsure"} <= set(line)


def test_files_keep_their_order_and_names_and_a_bad_one_costs_itself(
    serve_pages: ServePages,
) -> None:
    files = form(**{"a.png": bar_page(1), "b.png": b"no image", "c.tif": tiff_of(1, 2)})
    answer = web.post(f"{serve_pages().url}/read", files=files)
    assert answer.status_code == 200
    told = [(r["name"], r["page"], r["num_pages"]) for r in answer.json()["results"]]
    assert told == [("a.png", None, 1), ("b.png", None, 1), ("c.tif", 1, 2), ("c.tif", 2, 2)]
    errors = [record["error"] for record in answer.json()["results"]]
    assert "not an image" in errors[1] and errors.count(None) == 3


def test_nothing_that_can_be_read_is_422_with_the_reason(serve_pages: ServePages) -> None:
    served = serve_pages()
    for options in ("", "?format=text", "?format=alto"):
        answer = read(served, b"no image", options)
        assert answer.status_code == 422 and "not an image" in answer.json()["error"]
        assert len(answer.json()["results"]) == 1
    assert "no such page" in read(served, bar_page(), "?pages=2").json()["error"]


def test_every_format_is_written(serve_pages: ServePages) -> None:
    served = serve_pages()
    record = read(served, bar_page()).json()["results"][0]
    text = read(served, bar_page(), "?format=text")
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text == record["text"] + "\n\f"
    (paddle,) = read(served, bar_page(), "?format=paddleocr").json()["results"]
    assert paddle["rec_texts"] == [line["text"] for line in record["lines"]]
    files = form(**{"a.png": bar_page(), "<b>.png": b"no image", "c.png": bar_page(1)})
    for kind, mark in (("hocr", "class='ocr_page'"), ("alto", "<Page ")):
        answer = web.post(f"{served.url}/read?format={kind}", files=files)
        assert answer.status_code == 200 and answer.text.count(mark) == 3
        assert answer.headers["X-Failed-Pages"] == "2" and "<b>" not in answer.text
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_unsure_lines_are_left_out_where_that_is_asked_for(serve_pages: ServePages) -> None:
    served = serve_pages()
    lines = read(served, bar_page()).json()["results"][0]["lines"]
    least = sum(sorted(line["confidence"] for line in lines)[:2]) / 2
    kept = read(served, bar_page(), f"?min_confidence={least}").json()["results"][0]["lines"]
    assert kept == [line for line in lines if line["confidence"] >= least] and len(kept) == 2


def test_a_picture_comes_along_where_it_is_asked_for(serve_pages: ServePages) -> None:
    import base64

    served = serve_pages()
    second = read(served, tiff_of(1, 3), "?picture=1&pages=2").json()["results"][0]
    head, data = second["picture"].split(",")
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 1)
    assert head == "data:image/jpeg;base64" and picture.shape == (200, 300, 3)
    assert picture[140, 100].max() > 150
    assert "picture" not in read(served, bar_page()).json()["results"][0]


def test_a_pdf_is_read_from_its_text_or_its_picture(serve_pages: ServePages) -> None:
    pytest.importorskip("pypdfium2")
    served = serve_pages()
    data = odd_files.pages(odd_files.TEXT, odd_files.TEXT.replace("Hello", "Second"))
    first, second = read(served, data).json()["results"]
    assert (first["text"], second["text"]) == ("Hello wide World", "Second wide World")
    assert first["is_from_file"] and (second["page"], second["num_pages"]) == (2, 2)
    assert read(served, data, "?format=text&pages=2").text == "Second wide World\n\f"
    (drawn,) = read(served, data, "?pdf=render&pages=1&picture=1").json()["results"]
    assert not drawn["is_from_file"] and drawn["picture"]
    encrypted = read(served, odd_files.encrypted())
    assert encrypted.status_code == 422 and "without a password" in encrypted.json()["error"]
    many = read(served, odd_files.pages(*[odd_files.TEXT] * 100))
    assert many.status_code == 413 and "?pages=1-64" in many.json()["error"]


def test_limits_hold(serve_pages: ServePages) -> None:
    served = serve_pages({"body_bytes": 10_000}, page_limits={"pixels": 50_000})
    assert read(served, b"x" * 10_001).status_code == 413
    answer = read(served, bar_page())
    assert answer.status_code == 422 and "too large" in answer.json()["error"]
    for options, kind in (
        ("?format=exe", "format"),
        ("?page=2", "option"),
        ("?pages=x", "pages"),
        ("?pdf=text&pdf=auto", "'auto'"),
    ):
        refused = read(served, bar_page(), options)
        assert refused.status_code == 400 and kind in refused.json()["error"]
    assert read(served, b"{}", **{"Content-Type": "application/json"}).status_code == 415
    assert served.service.pages._intake.gate.num_images == 0


def test_without_a_detector_it_says_so(serve: Serve) -> None:
    served = serve()
    answer = read(served, bar_page())
    assert answer.status_code == 404 and "--lines-only" in answer.json()["error"]
    assert web.get(f"{served.url}/model").json()["pages"] is None
    assert web.get(f"{served.url}/v2/models/pages").status_code == 404
    assert "distilrec_pages" not in web.get(f"{served.url}/metrics").text


def test_a_key_is_asked_for(serve_pages: ServePages) -> None:
    served = serve_pages(key="a long key")
    assert read(served, bar_page()).status_code == 401
    assert read(served, bar_page(), **{"X-API-Key": "a long key"}).status_code == 200


def test_lines_are_read_while_pages_hold_all_their_places(
    serve_pages: ServePages, line_files: list[bytes], expected_texts: list[str]
) -> None:
    served = serve_pages(page_limits={"queued_pages": 3, "pages_per_request": 3})
    go = threading.Event()

    async def hold(ask: PageAsk) -> None:
        await asyncio.to_thread(go.wait, 60)

    served.backend.before_page = hold
    gate = served.service.pages._intake.gate
    with ThreadPoolExecutor(4) as pool:
        held = [pool.submit(read, served, tiff_of(1, 1, 1))]
        until(lambda: gate.num_images == 3)
        refused = read(served, bar_page())
        lines = [web.post(f"{served.url}/recognize", content=line) for line in line_files[:20]]
        go.set()
        answers = [request.result() for request in held]
    assert refused.status_code == 429 and "pages" in refused.json()["error"]
    assert [answer.json()["results"][0]["text"] for answer in lines] == expected_texts[:20]
    assert [answer.status_code for answer in answers] == [200]
    assert gate.num_images == gate.num_bytes == 0


def test_a_long_document_lets_others_in_between(serve_pages: ServePages) -> None:
    served = serve_pages()
    order: list[str | None] = []
    begun = threading.Event()

    async def note(ask: PageAsk) -> None:
        order.append(ask.name)
        begun.set()
        await asyncio.sleep(0.05)

    served.backend.before_page = note
    with ThreadPoolExecutor(2) as pool:
        url = f"{served.url}/read"
        long = pool.submit(web.post, url, files=form(long=tiff_of(*[1] * 20)))
        assert begun.wait(30)
        assert web.post(url, files=form(short=bar_page())).status_code == 200
        num_before = len(order)
        assert long.result().status_code == 200
    assert order.index("short") < 20 and num_before < 21


def test_what_takes_too_long_is_504_and_gives_its_place_back(serve_pages: ServePages) -> None:
    served = serve_pages(page_limits={"seconds": 0.5})

    async def hold(ask: PageAsk) -> None:
        await asyncio.sleep(2)

    served.backend.before_page = hold
    answer = read(served, bar_page())
    assert answer.status_code == 504 and "fewer pages" in answer.json()["error"]
    assert served.service.pages._intake.gate.num_images == 0
    served.backend.before_page = None
    until(lambda: read(served, bar_page()).status_code == 200)


def test_pages_of_a_client_that_went_away_are_not_read(serve_pages: ServePages) -> None:
    served = serve_pages()
    seen: list[int] = []

    async def slow(ask: PageAsk) -> None:
        seen.append(ask.place)
        await asyncio.sleep(0.2)

    served.backend.before_page = slow
    data = tiff_of(*[1] * 30)
    head = f"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection(served.socket.getsockname(), timeout=30) as connection:
        connection.sendall(head.encode() + data)
        until(lambda: seen)
    until(lambda: served.service.pages._intake.gate.num_images == 0)
    time.sleep(0.5)
    assert len(seen) < 15


def test_a_replica_that_dies_is_asked_again_and_one_that_fails_is_500(
    serve_pages: ServePages,
) -> None:
    served = serve_pages()
    errors: list[Exception] = [ReplicaLost("killed"), EngineError("no memory"), KeyError("secret")]

    async def fail(ask: PageAsk) -> None:
        if errors:
            raise errors.pop(0)

    served.backend.before_page = fail
    answers = [read(served, bar_page()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 500, 200]
    assert "no memory" in answers[0].text and "secret" not in answers[1].text
    metrics = web.get(f"{served.url}/metrics").text
    assert "distilrec_pages_read_again_total 1.0" in metrics


def test_pages_are_counted(serve_pages: ServePages) -> None:
    served = serve_pages()
    web.post(f"{served.url}/read", files=form(a=bar_page(), b=b"bad", c=tiff_of(1, 2)))
    text = web.get(f"{served.url}/metrics").text
    assert 'distilrec_pages_total{outcome="read"} 3.0' in text
    assert 'distilrec_pages_total{outcome="error"} 1.0' in text
    assert "distilrec_page_seconds_count 4.0" in text and "distilrec_in_hand_pages 0.0" in text
    assert "distilrec_images_total" not in text.replace("# ", "").split("{")[0]
    told = web.get(f"{served.url}/model").json()["pages"]
    assert told["detector"] == "toy detector" and told["limits"]["images_per_request"] == 64


def test_pages_are_a_model_of_the_protocol(serve_pages: ServePages) -> None:
    import base64

    served = serve_pages()
    url = f"{served.url}/v2/models/pages"
    metadata = web.get(url).json()
    assert [output["name"] for output in metadata["outputs"]] == [
        "text",
        "json",
        "error",
        "warning",
    ]
    data = [base64.b64encode(file).decode() for file in (tiff_of(1, 2), b"no image")]
    message: dict[str, Any] = {
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": data}]
    }
    answer = web.post(f"{url}/infer", json=message).json()
    text, records, error, _ = (output["data"] for output in answer["outputs"])
    pages = json.loads(records[0])
    assert text[0] == "\f".join(page["text"] for page in pages) and len(pages) == 2
    assert error[0] == "" and "not an image" in error[1]
    message |= {"parameters": {"pages": "2"}, "outputs": [{"name": "text"}]}
    (output,) = web.post(f"{url}/infer", json=message).json()["outputs"]
    assert output["data"][0] == pages[1]["text"]
    message["parameters"] = {"pages": "x"}
    assert web.post(f"{url}/infer", json=message).status_code == 400
    assert web.get(f"{served.url}/v2/models/toy").json()["outputs"][1]["datatype"] == "FP32"


def test_a_line_is_still_read_as_one(serve_pages: ServePages) -> None:
    answer = web.post(f"{serve_pages().url}/recognize", content=png())
    assert answer.status_code == 200 and "characters" in answer.json()["results"][0]
