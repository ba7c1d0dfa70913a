"""On Ray itself: pages are read, and their lines found, as by one process, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.cluster.connection import connected
from runtime.cluster.opening import Opening
from runtime.cluster.readers import ClusterReader
from runtime.images.read import ImageSource, source_name
from runtime.images.sources import Page, sources_from
from runtime.infer.__main__ import main
from runtime.infer.pages.task import PageReading
from runtime.pages.result import PageText
from tests.runtime.cluster.scans import NUM_FAILED, NUM_PAGES, write_models, write_scans

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray", reason="readers are started with it")
pytest.importorskip("onnxruntime", reason="models are read with it")
pytest.importorskip("pypdfium2", reason="pypdfium2 opens PDF files")


@pytest.fixture(scope="module", autouse=True)
def ray_of_this_machine() -> Iterator[None]:
    """One for all tests here: what is connected already stays connected."""
    with connected(None):
        yield


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scans(tmp_path_factory.mktemp("in") / "scans")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Of each task, without the images."""
    detector, model = map(str, write_models(tmp_path_factory.mktemp("models")))
    found = ["--detector", detector, "--device", "cpu", "--quiet"]
    return {"pages": ["--pages", "--model", model, *found], "det": ["--detect-only", *found]}


@pytest.mark.parametrize("task", ["pages", "det"])
def test_written_as_by_one_process(
    scans: Path, options: dict[str, list[str]], tmp_path: Path, task: str
) -> None:
    alone = tmp_path / "alone.jsonl"
    everything = [str(scans), "none.png", *options[task], "--output"]
    assert main([*everything, str(alone)]) == 1
    records = [json.loads(line) for line in alone.read_text().splitlines()]
    assert len(records) == NUM_PAGES + 1
    assert sum(record["error"] is not None for record in records) == NUM_FAILED + 1
    assert sum(bool(record.get("lines", record.get("boxes"))) for record in records) > 9
    for files in ("shared", "ship"):
        together = tmp_path / f"{files}.jsonl"
        assert main([*everything, str(together), "--ray", "--ray-files", files]) == 1
        assert together.read_bytes() == alone.read_bytes(), files


def test_going_on_gives_what_one_run_gives(
    scans: Path, options: dict[str, list[str]], tmp_path: Path
) -> None:
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    everything = [str(scans), *options["pages"], "--output"]
    assert main([*everything, str(whole)]) == 1
    part.write_bytes(whole.read_bytes()[: len(whole.read_bytes()) // 2])
    assert main([*everything, str(part), "--resume", "--ray"]) == 1
    assert part.read_bytes() == whole.read_bytes()


def test_pages_at_addresses_are_those_of_the_folder(
    scans: Path, options: dict[str, list[str]], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="its file systems are read from")
    at_home, fetched = tmp_path / "home.jsonl", tmp_path / "fetched.jsonl"
    assert main([str(scans), *options["pages"], "--output", str(at_home)]) == 1
    address = scans.as_uri()
    assert main([address, *options["pages"], "--output", str(fetched), "--ray"]) == 1
    found = {}
    for output, place in ((at_home, str(scans)), (fetched, address)):
        for line in output.read_text().splitlines():
            record = json.loads(line)
            name = record.pop("file").removeprefix(f"{place}/")
            if not name.startswith("fax.tif"):  # whose first page alone is read at an address
                found.setdefault(name, []).append(record)
    assert len(found) == NUM_PAGES - 2 and all(seen == wanted for seen, wanted in found.values())


def test_documents_of_pages_that_others_read(
    scans: Path, options: dict[str, list[str]], tmp_path: Path
) -> None:
    sources = [str(scans / name) for name in ("letter.pdf", "fax.tif")]
    written = [*options["pages"], "--output-formats", "hocr,txt", "--output-dir"]
    assert main([*sources, *written, str(tmp_path / "alone")]) == 0
    assert main([*sources, *written, str(tmp_path / "together"), "--ray"]) == 0
    names = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert names == ["fax.hocr", "fax.txt", "letter.hocr", "letter.txt"]
    for name in names:
        one, other = ((tmp_path / folder / name).read_bytes() for folder in ("alone", "together"))
        assert one == other


class Suicidal:
    """Ends its process at a page, every time or the first time, and names the others."""

    description = "a reader that ends"

    def __init__(self, *, deadly: str, once: str, threads: int) -> None:
        self._deadly, self._once = deadly, Path(once)

    def stream(self, images: Iterable[ImageSource]) -> Iterator[PageText]:
        for source in images:
            name = str(source_name(source))
            if name.endswith(self._deadly) and not self._once.exists():
                if self._once.name == "once":
                    self._once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            yield PageText(source="another", angle=float(len(name)))


@pytest.mark.parametrize("once", ["once", "never"])
def test_a_page_that_kills_costs_itself_alone_and_others_are_read_again(
    scans: Path, tmp_path: Path, once: str
) -> None:
    factory = f"{Suicidal.__module__}:{Suicidal.__name__}"
    opening = Opening(factory, {}, {"deadly": "letter.pdf#page=2", "once": str(tmp_path / once)})
    sources = list(sources_from([str(scans)], with_pdf=True))
    task: Any = PageReading()
    with ClusterReader[PageText](opening, task.failed, {0: 4, 1: 4}, threads=1) as cluster:
        pages = list(cluster.stream(sources))
    assert [page.source for page in pages] == [source_name(source) for source in sources]
    assert (tmp_path / "once").exists() == (once == "once"), "a process was killed"
    assert all(page.angle > 0 for page in pages if page.error is None)
    failed = [page for page in pages if page.error is not None]
    assert len(failed) == (once == "never")
    for page in failed:
        assert page.source == str(scans / "letter.pdf#page=2") and page.page == 2
        assert "ended 3 processes" in str(page.error)
    assert sum(isinstance(source, Page) for source in sources) == 2
