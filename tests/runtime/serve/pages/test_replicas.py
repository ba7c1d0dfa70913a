"""Pages read by replicas of Ray Serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.service.process import ServiceProcess
from tests.runtime.images.pdf import odd_files
from tests.runtime.serve.conftest import png
from tests.runtime.serve.pages.conftest import bar_page, tiff_of

httpx = pytest.importorskip("httpx")


@pytest.fixture(scope="module")
def service(
    toy_file: Path, toy_detector_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """A service of lines and pages on Ray."""
    pytest.importorskip("ray", reason="ray runs the replicas: pip install 'ray[serve]'")
    log = tmp_path_factory.mktemp("service") / "log"
    options = ["--replicas", "1", "--detector", str(toy_detector_file), "--max-pages", "3"]
    with ServiceProcess(toy_file, log, options) as process:
        yield process


def test_pages_and_lines_are_read_in_the_same_replicas(service: ServiceProcess) -> None:
    files = [("image", ("a.tif", tiff_of(1, 3))), ("image", ("b.png", b"no image"))]
    answer = httpx.post(f"{service.url}/read", files=files, timeout=60)
    records = answer.json()["results"]
    assert [len(record["lines"]) for record in records] == [1, 3, 0]
    assert "not an image" in records[2]["error"]
    line = httpx.post(f"{service.url}/recognize", content=png(), timeout=60)
    assert line.status_code == 200
    told = httpx.get(f"{service.url}/model", timeout=60).json()["pages"]
    assert "onnxruntime" in told["detector"] and told["limits"]["images_per_request"] == 3


def test_limits_of_the_command_line_hold(service: ServiceProcess) -> None:
    answer = httpx.post(f"{service.url}/read", content=tiff_of(1, 1, 1, 1), timeout=60)
    assert answer.status_code == 413 and "pages=1-3" in answer.json()["error"]


def test_pdf_files_are_read(service: ServiceProcess) -> None:
    pytest.importorskip("pypdfium2")
    content = odd_files.pages(odd_files.TEXT)
    answer = httpx.post(f"{service.url}/read?format=text", content=content, timeout=60)
    assert answer.text == "Hello wide World\n\f"
    drawn = httpx.post(f"{service.url}/read?pdf=render", content=content, timeout=60)
    assert drawn.json()["results"][0]["error"] is None
    assert httpx.post(f"{service.url}/read", content=bar_page(), timeout=60).status_code == 200
