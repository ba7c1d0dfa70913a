"""The data set of pages: purity, labels, arguments."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import DatasetError
from training.data.build import DATASETS
from training.data.sample import Draw
from training.data.synthetic import SyntheticPages
from training.data.synthetic.fonts import find_font_files
from training.data.synthetic.pages.kinds import KINDS
from training.detection.labels import DetLabelEncode, TextPolygons
from training.registry import Problems

SIDE = 480
HASH_PAGES = """
import hashlib, json, pickle, sys
data_set = pickle.load(sys.stdin.buffer)
pages = [data_set.page(index, 2) for index in (5, 0, 3)]
hashes = [hashlib.sha256(page.image.tobytes()).hexdigest() for page in pages]
print(json.dumps([[digest, page.label] for digest, page in zip(hashes, pages)]))
"""


@pytest.fixture(scope="module")
def data_set() -> SyntheticPages:
    return SyntheticPages(count=40, seed=3, long_side=SIDE)


def test_a_page_follows_from_seed_epoch_and_index(data_set: SyntheticPages) -> None:
    again = SyntheticPages(count=40, seed=3, long_side=SIDE)
    for index in (0, 9, 39):
        page = data_set.page(index)
        data_set.page((index + 1) % 40)
        assert np.array_equal(page.image, again.page(index).image)
        assert page.label == again.page(index).label
    other_seed = SyntheticPages(count=40, seed=4, long_side=SIDE)
    labels = {data_set.text(0, 0), data_set.text(1, 0), data_set.text(0, 1), other_seed.text(0, 0)}
    assert len(labels) == 4


def test_another_process_draws_the_same_pages(data_set: SyntheticPages) -> None:
    pages = [data_set.page(index, 2) for index in (5, 0, 3)]
    expected = [[hashlib.sha256(page.image.tobytes()).hexdigest(), page.label] for page in pages]
    result = subprocess.run(
        [sys.executable, "-c", HASH_PAGES],
        input=pickle.dumps(data_set),
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "77"},
        cwd=Path(__file__).parents[5],
        check=True,
    )
    assert json.loads(result.stdout) == expected


def test_global_random_state_is_untouched(data_set: SyntheticPages) -> None:
    np.random.seed(0)  # the state that must not change
    before = np.random.get_state()[1].copy()
    data_set.page(0)
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("index", range(4))
def test_labels_are_read_by_detection(data_set: SyntheticPages, index: int) -> None:
    page = data_set.page(index)
    sample = data_set.read(index, 0)
    assert sample.image.dtype == np.uint8
    assert sample.image.shape == page.image.shape
    draw = Draw(np.random.default_rng(0), lambda: sample)
    labels = TextPolygons.of(DetLabelEncode()(sample, draw))
    assert len(labels.texts) == len(page.boxes) > 0
    for box, polygon, text, is_ignored in zip(
        page.boxes, labels.polys, labels.texts, labels.ignored, strict=True
    ):
        assert bool(is_ignored) is not box.is_readable
        assert text == (box.text if box.is_readable else "###")
        assert np.abs(polygon[: len(box.polygon)] - box.polygon).max() <= 1.05


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_readable_text(kind: str) -> None:
    data_set = SyntheticPages(count=3, seed=1, kinds=[kind], long_side=700)
    pages = [data_set.page(index) for index in range(3)]
    assert {page.kind for page in pages} == {kind}
    assert sum(box.is_readable for page in pages for box in page.boxes) > 3


def test_all_kinds_come_up(data_set: SyntheticPages) -> None:
    few = SyntheticPages(count=40, seed=0, kinds=["title", "scene"], long_side=320)
    assert {few.page(index).kind for index in range(12)} == {"title", "scene"}
    assert data_set.kinds == tuple(KINDS)
    assert sum(kind.weight for kind in KINDS.values()) == pytest.approx(1.0)


def test_a_config_names_it() -> None:
    problems = Problems()
    section = {"name": "SyntheticPages", "count": 3, "kinds": ["form"], "long_side": 400}
    component = DATASETS.read(section, "Train.dataset", problems)
    assert not problems
    assert component is not None
    source = component.build(seed=5)
    assert isinstance(source, SyntheticPages)
    assert (len(source), source.seed, list(source.indices(0))) == (3, 5, [0, 1, 2])


def test_a_config_is_told_what_is_wrong() -> None:
    problems = Problems()
    section = {"name": "SyntheticPages", "count": 3, "kinds": ["reciept"], "long_side": 10}
    DATASETS.read(section, "Train.dataset", problems)
    told = "\n".join(map(str, problems))
    assert "did you mean receipt" in told
    assert "Train.dataset.long_side: expected 320 to" in told


def test_fonts_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no fonts in"):
        SyntheticPages(1, 0, fonts=[str(tmp_path)])
    name = "DejaVuSans.ttf"
    (path,) = [path for path in find_font_files() if path.name == name]
    (tmp_path / name).write_bytes(path.read_bytes())
    (tmp_path / "Gone.ttf").symlink_to(tmp_path / "nowhere.ttf")
    data_set = SyntheticPages(1, 0, fonts=[str(tmp_path)], long_side=320)
    assert data_set.provenance()["fonts"] == [name]
    assert data_set.page(0).boxes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"count": 0}, "count is out of range"),
        ({"seed": -1}, "seed is out of range"),
        ({"difficulty": 1.5}, "difficulty: expected 0 to 1"),
        ({"difficulty": float("nan")}, "difficulty: expected 0 to 1"),
        ({"kinds": []}, "at least one of receipt"),
        ({"kinds": ["poster"]}, "unknown kind of page 'poster'"),
        ({"long_side": 100}, "expected 320 to 4096 px, got 100"),
        ({"fonts": ["/nowhere/font.ttf"]}, "cannot read the font"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"count": 1, "seed": 0, **changed}
    with pytest.raises(DatasetError, match=message):
        SyntheticPages(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("index", [-1, 40])
def test_no_such_page(data_set: SyntheticPages, index: int) -> None:
    with pytest.raises(IndexError, match="of 40"):
        data_set.page(index)
