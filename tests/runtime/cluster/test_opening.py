"""Whatever is named is opened, where its files are and where they are not."""

from __future__ import annotations

import json
import pickle
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from runtime.cluster.actor import ReaderActor
from runtime.cluster.opening import Opening
from runtime.errors import ArtifactError
from runtime.images.read import ImageSource
from runtime.images.sources import NamedImage, Page
from runtime.infer.arguments import parse_arguments
from runtime.infer.task import Task, task_of
from tests.runtime.cluster.scans import write_models, write_scans

HERE = __name__


class FileTeller:
    """Tells what lies in the folder of its file, and what it is given."""

    def __init__(self, *, file: str, threads: int = 0, **options: object) -> None:
        folder = Path(file).parent
        self.found = {path.name: path.read_text() for path in sorted(folder.iterdir())}
        self.description = json.dumps([Path(file).name, threads, options])

    def __enter__(self) -> FileTeller:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stream(self, images: Iterable[ImageSource]) -> Iterator[ImageSource]:
        yield from images


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("a.onnx", "a.json", "secret.txt"):
        (folder / name).write_text(name)
    files = {"file": (folder / "a.onnx", folder / "a.json", folder / "none.yml")}
    return Opening(f"{HERE}:FileTeller", files, {"size": 3}, 100)


def test_files_are_sent_with_those_beside_them_and_no_others(opening: Opening) -> None:
    sent = pickle.loads(pickle.dumps(opening.with_contents()))
    Path(opening.files["file"][0]).unlink()
    teller = sent.open(threads=2)
    assert teller.found == {"a.onnx": "a.onnx", "a.json": "a.json"}
    assert teller.description == '["a.onnx", 2, {"size": 3}]'
    with pytest.raises(ArtifactError, match=r"cannot read .*a\.onnx: No such file"):
        opening.with_contents()


def test_paths_hold_in_another_folder(
    opening: Opening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = Opening(opening.factory, {"file": ("models/a.onnx",)}, {}).absolute()
    monkeypatch.chdir("/")
    assert "secret.txt" in relative.open().found  # type: ignore[attr-defined]


def test_an_actor_completes_pages_and_fetches_addresses(opening: Opening, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="its file systems are read from")
    (tmp_path / "a.png").write_bytes(b"image")
    actor = ReaderActor()
    assert json.loads(actor.open(opening, 3, 100))[:2] == ["a.onnx", 3]
    address = (tmp_path / "a.png").as_uri()
    pages = [Page("x.tif", number) for number in range(3)]
    got = actor.read([pages[0], address, "x", *pages[1:]], [0, None, None, 1, 0], b"one", b"two")
    assert got == [
        Page("x.tif", 0, b"one"),
        NamedImage(address, b"image"),
        "x",
        Page("x.tif", 1, b"two"),
        Page("x.tif", 2, b"one"),
    ]
    assert actor.read(pages) == pages


def tasks(folder: Path) -> Iterator[tuple[Task, Namespace]]:
    detector, model = map(str, write_models(folder))
    for options in (
        ["--model", model, "--alternatives", "2"],
        ["--detect-only", "--detector", detector, "--det-unclip-ratio", "1", "--max-pixels", "9M"],
        ["--pages", "--detector", detector, "--model", model, "--min-confidence", "0.1"],
    ):
        arguments = parse_arguments(["x", "--device", "cpu", "--ray", *options])
        yield task_of(arguments), arguments


def test_every_task_reads_the_same_with_files_that_were_sent(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="models are read with it")
    scans = write_scans(tmp_path / "scans")
    pictures = [str(scans / name) for name in ("picture0.png", "picture3.png", "picture1.png")]
    for task, arguments in tasks(tmp_path / "models"):
        opening = task.opening(arguments)
        sent = pickle.loads(pickle.dumps(opening.with_contents()))
        with opening.open(threads=1) as at_home, sent.open(threads=1) as elsewhere:
            records = [task.record(result) for result in at_home.stream(pictures)]
            assert [task.record(result) for result in elsewhere.stream(pictures)] == records
            assert elsewhere.description == at_home.description
        assert [record["error"] is None for record in records] == [True, False, True]


def test_every_task_tells_of_an_image_that_ends_its_readers(tmp_path: Path) -> None:
    for task, arguments in tasks(tmp_path / "models"):
        failed = task.record(task.failed(Page("x.tif", 1), "ended"))
        assert failed["error"] == "ended" and failed["file"] == "x.tif#page=2"
        assert failed.get("page", 2) == 2
        assert set(task.shard_sizes) == {0, 1} and task.opening(arguments).needs_gpu is False
