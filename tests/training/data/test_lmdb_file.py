"""LMDB folders with PaddleOCR's keys."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.errors import DatasetError, ImageError
from runtime.images.read import read_image
from training.data.lmdb_file import LMDBDataSet

lmdb = pytest.importorskip("lmdb")


def write(folder: Path, entries: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    environment = lmdb.open(str(folder), map_size=1 << 20)
    with environment, environment.begin(write=True) as change:
        for key, value in entries.items():
            change.put(key.encode(), value)


@pytest.fixture
def folder(
    tmp_path: Path,
    make_line: Callable[..., NDArray[np.uint8]],
    encode: Callable[[NDArray[np.uint8]], bytes],
) -> Path:
    """Two databases at different depths, of three lines and two."""
    for name, count in (("b/deep/er", 2), ("a", 3)):
        entries = {"num-samples": str(count).encode()}
        for number in range(1, count + 1):
            image = make_line(30 + 10 * number, seed=number)
            entries[f"image-{number:09d}"] = encode(image)
            entries[f"label-{number:09d}"] = f"{name[0]} ünd {number}".encode()
        write(tmp_path / name, entries)
    return tmp_path


def test_reads_every_folder_in_sorted_order(folder: Path) -> None:
    source = LMDBDataSet(str(folder))
    wanted = [f"a ünd {number}" for number in (1, 2, 3)] + ["b ünd 1", "b ünd 2"]
    assert [source.text(index, 0) for index in range(len(source))] == wanted
    sample = source.read(4, 0)
    assert sample.text == "b ünd 2" and sample.name == f"{folder / 'b/deep/er'}#2"
    assert read_image(sample.image).shape == (24, 50, 3)
    assert source.ratio(4, 0) == pytest.approx(50 / 24)
    assert list(source.indices(3)) == list(range(5))


def test_training_and_evaluation_may_share_a_database(folder: Path) -> None:
    first, second = LMDBDataSet(str(folder)), LMDBDataSet(str(folder))
    assert first.read(0, 0).image == second.read(0, 0).image


def test_goes_to_a_worker_process(folder: Path) -> None:
    source = LMDBDataSet(str(folder))
    assert pickle.loads(pickle.dumps(source)).text(3, 0) == "b ünd 1"
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        assert pool.submit(source.read, 2, 0).result() == source.read(2, 0)


def test_shares_by_database(folder: Path) -> None:
    source = LMDBDataSet(str(folder), [1 / 3, 1.0], seed=4)
    drawn = [source.indices(epoch) for epoch in range(12)]
    assert all(len(width) == 3 and set(width) >= {3, 4} for width in drawn)
    assert {width[0] for width in drawn} == {0, 1, 2}
    assert drawn == [LMDBDataSet(str(folder), [1 / 3, 1.0], 4).indices(e) for e in range(12)]
    with pytest.raises(DatasetError, match="expected 2 shares"):
        LMDBDataSet(str(folder), [0.5, 0.5, 0.5])


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no LMDB under .*nothing"):
        LMDBDataSet(str(tmp_path / "nothing"))
    write(tmp_path / "foreign", {"other": b"1"})
    with pytest.raises(DatasetError, match="num-samples"):
        LMDBDataSet(str(tmp_path / "foreign"))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(DatasetError, match="cannot open the LMDB"):
        LMDBDataSet(str(broken))


def test_missing_keys_concern_one_line(tmp_path: Path) -> None:
    write(tmp_path / "gap", {"num-samples": b"2", "image-000000002": b"no image"})
    source = LMDBDataSet(str(tmp_path))
    assert source.text(0, 0) == ""
    for call in (source.read, source.ratio):
        with pytest.raises(ImageError, match="image-000000001"):
            call(0, 0)
    with pytest.raises(ImageError, match="#2"):
        source.ratio(1, 0)


@pytest.mark.parametrize("count", ["1000", "9" * 5000])
def test_a_count_beyond_the_keys_is_refused(tmp_path: Path, count: str) -> None:
    write(tmp_path / "a", {"num-samples": count[:400].encode(), "image-000000001": b"x"})
    with pytest.raises(DatasetError, match=r"num-samples is .* but the database has 2 keys"):
        LMDBDataSet(str(tmp_path))


def test_a_file_that_is_cut_short_is_refused_before_it_kills_the_process(folder: Path) -> None:
    file = folder / "a" / "data.mdb"
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)
    with pytest.raises(DatasetError, match=r"cut short|cannot open"):
        LMDBDataSet(str(folder))


def test_a_page_that_is_damaged_concerns_its_lines(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = LMDBDataSet(str(folder))

    def fail(path: Path) -> None:
        raise lmdb.CorruptedError("a page")

    monkeypatch.setattr("training.data.lmdb_file._environment", fail)
    for call in (source.text, source.read, source.ratio):
        with pytest.raises(ImageError, match=r"cannot be read: .*a page"):
            call(0, 0)
