"""Every task of the command with `--ray`, on a stand-in for Ray that holds no processes."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.cluster import readers
from runtime.images.pdf import pages as pdf_pages
from runtime.infer.__main__ import main
from tests.runtime.cluster.local_ray import LocalRay, Stored
from tests.runtime.cluster.scans import NUM_FAILED, NUM_PAGES, write_models, write_scans

pytest.importorskip("onnxruntime", reason="models are read with it")
pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")


@pytest.fixture(autouse=True, scope="module")
def _no_processes_are_left() -> Any:
    yield
    pdf_pages._viewers.end_all()


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scans(tmp_path_factory.mktemp("in") / "scans")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Of each task, without the images."""
    detector, model = map(str, write_models(tmp_path_factory.mktemp("models")))
    common = ["--device", "cpu", "--quiet", "--threads", "1", "--output"]
    return {
        "rec": ["--model", model, *common],
        "det": ["--detect-only", "--detector", detector, *common],
        "pages": ["--pages", "--detector", detector, "--model", model, *common],
    }


@pytest.mark.parametrize("task", ["rec", "det", "pages"])
def test_written_as_by_one_process(
    scans: Path,
    options: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
) -> None:
    alone = tmp_path / "alone.jsonl"
    assert main([str(scans), *options[task], str(alone)]) == 1
    records = [json.loads(line) for line in alone.read_text().splitlines()]
    num_pages = NUM_PAGES - 5 if task == "rec" else NUM_PAGES
    assert len(records) == num_pages
    assert sum(record["error"] is not None for record in records) == NUM_FAILED
    for files in ("shared", "ship"):
        ray = LocalRay(3, 2)  # which open, read, and die with what they have in hand
        monkeypatch.setattr(readers, "connected", ray.connected())
        together = tmp_path / f"{files}.jsonl"
        on_ray = ["--ray", "--ray-files", files]
        assert main([str(scans), *options[task], str(together), *on_ray]) == 1
        assert together.read_bytes() == alone.read_bytes(), files
        assert all(actor.calls_left == 0 for actor in ray.actors), "none is left behind"
    gc.collect()
    assert Stored.held == 0, "nothing that was put stays"


def test_a_run_goes_on_and_counts_a_file_of_pages_once(
    scans: Path,
    options: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray, asked = LocalRay(), list[str]()
    monkeypatch.setattr(readers, "connected", ray.connected())
    ask = pdf_pages._ask

    def noted(page: Any, kind: str, max_pixels: int) -> Any:
        asked.append(kind)
        return ask(page, kind, max_pixels)

    monkeypatch.setattr(pdf_pages, "_ask", noted)
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    assert main([str(scans), *options["pages"], str(whole), "--ray"]) == 1
    assert asked.count(pdf_pages.COUNT) == 2, "two PDF files"
    lines = whole.read_bytes().splitlines(keepends=True)
    for kept in (0, 4, len(lines)):
        part.write_bytes(b"".join(lines[:kept]) + b'{"cut')
        assert main([str(scans), *options["pages"], str(part), "--ray", "--resume"]) == 1
        assert part.read_bytes() == whole.read_bytes()
    assert len({id(actor) for actor in ray.actors}) > 2
