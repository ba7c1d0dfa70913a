"""The data set: purity, coverage, labels that are drawn."""

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
from training.data.synthetic.dataset import DEFAULT_ALPHABET, SyntheticDataSet
from training.data.synthetic.fonts import build_font_book

ALPHABET = (*DEFAULT_ALPHABET, " ")
CYRILLIC = tuple(map(chr, range(0x0410, 0x0450)))

HASH_LINES = """
import hashlib, json, pickle, sys
data_set = pickle.load(sys.stdin.buffer)
lines = [data_set.line(index, 2) for index in (5, 0, 3)]
print(json.dumps([[hashlib.sha256(image.tobytes()).hexdigest(), text] for image, text in lines]))
"""


@pytest.fixture(scope="module")
def data_set() -> SyntheticDataSet:
    return SyntheticDataSet(ALPHABET, count=500, seed=3)


def test_a_line_follows_from_seed_epoch_and_index(data_set: SyntheticDataSet) -> None:
    again = SyntheticDataSet(ALPHABET, count=500, seed=3)
    other_seed = SyntheticDataSet(ALPHABET, count=500, seed=4)
    for index in (0, 9, 499):
        image, text = data_set.line(index)
        data_set.line((index + 1) % 500)
        image_again, text_again = again.line(index)
        assert text == text_again
        assert np.array_equal(image, image_again)
    texts = [data_set.text(i) for i in range(50)]
    assert texts != [data_set.text(i, epoch=1) for i in range(50)]
    assert texts != [other_seed.text(i) for i in range(50)]


def test_global_random_state_is_untouched(data_set: SyntheticDataSet) -> None:
    np.random.seed(0)  # the state that must not change
    before = np.random.get_state()[1].copy()
    data_set.line(0)
    assert np.array_equal(before, np.random.get_state()[1])


def test_another_process_draws_the_same_lines(data_set: SyntheticDataSet) -> None:
    lines = [data_set.line(index, 2) for index in (5, 0, 3)]
    expected = [[hashlib.sha256(image.tobytes()).hexdigest(), text] for image, text in lines]
    result = subprocess.run(
        [sys.executable, "-c", HASH_LINES],
        input=pickle.dumps(data_set),
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "77"},
        cwd=Path(__file__).parents[4],
        check=True,
    )
    assert json.loads(result.stdout) == expected


def test_text_and_line_agree(data_set: SyntheticDataSet) -> None:
    assert [data_set.text(i) for i in range(30)] == [data_set.line(i)[1] for i in range(30)]


@pytest.mark.parametrize("count", [len(DEFAULT_ALPHABET), 250, 1000])
def test_every_character_is_seen_in_every_epoch(count: int) -> None:
    data_set = SyntheticDataSet(ALPHABET, count=count, seed=1)
    for epoch in (0, 1):
        seen = set().union(*(data_set.text(i, epoch) for i in range(count)))
        assert seen == set(ALPHABET)


def test_few_lines_see_every_character_over_epochs() -> None:
    data_set = SyntheticDataSet(CYRILLIC, count=16, seed=1)
    seen = set().union(*(data_set.text(i, epoch) for i in range(16) for epoch in range(4)))
    assert seen == set(CYRILLIC)


def test_own_words_and_every_character(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("\ufeffalpha\r\n\n beta \ngamma\n", encoding="utf-8")
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    data_set = SyntheticDataSet(list(alphabet), 400, 0, max_text_length=5, word_list=words)
    texts = [data_set.text(i) for i in range(400)]
    assert set().union(*texts) == set(alphabet)
    as_written = sum(text in ("alpha", "beta", "gamma") for text in texts)
    assert as_written >= 340


def test_one_face_draws_every_label() -> None:
    data_set = SyntheticDataSet((*ALPHABET, *CYRILLIC, "Ω"), count=200, seed=0)
    for index in range(200):
        assert data_set.fonts.can_draw(data_set.text(index))


def test_labels_keep_to_what_one_face_draws_where_no_face_has_all() -> None:
    faces = build_font_book("aЖ").faces
    latin_only = [face.path for face in faces if face.characters == {"a"}]
    both = [face.path for face in faces if "Ж" in face.characters]
    assert latin_only
    assert both
    data_set = SyntheticDataSet(["a", "b", "Ж"], 100, 0, fonts=[latin_only[0], both[0]])
    texts = [data_set.text(i) for i in range(100)]
    assert all(map(data_set.fonts.can_draw, texts))
    assert set().union(*texts) == {"a", "b", "Ж"}


def test_estimated_ratio_is_close(data_set: SyntheticDataSet) -> None:
    errors = []
    for index in range(100):
        image, _ = data_set.line(index)
        ratio = image.shape[1] / image.shape[0]
        errors.append(abs(data_set.ratio(index) / ratio - 1))
    assert np.median(errors) < 0.05
    assert max(errors) < 0.2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"count": 0}, "count is out of range"),
        ({"seed": -1}, "seed is out of range"),
        ({"difficulty": 1.5}, "difficulty is out of range"),
        ({"difficulty": float("nan")}, "difficulty is out of range"),
        ({"min_text_length": 9, "max_text_length": 8}, "impossible text lengths"),
        ({"characters": []}, "no line can be written"),
        ({"word_list": "/nowhere/words.txt"}, "cannot read the word list"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"characters": ["a"], "count": 1, "seed": 0, **changed}
    with pytest.raises(DatasetError, match=message):
        SyntheticDataSet(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("index", [-1, 500])
def test_no_such_line(data_set: SyntheticDataSet, index: int) -> None:
    with pytest.raises(IndexError, match="of 500"):
        data_set.line(index)
