"""Lines with looks: signs, print, typewriting, displays."""

import pickle
from functools import cache

import cv2
import numpy as np
import pytest

from runtime.errors import DatasetError
from training.data.synthetic import SyntheticDataSet
from training.data.synthetic.looks import LOOKS
from training.data.synthetic.shapes import bend, dot, hollow

CHARACTERS = "abcdeghnrstABCDEGHNRST0123 "
WORDS = ["Bar 12", "Hatter", "SAND", "dance"]


@cache
def data_set(look: str, difficulty: float = 0.6) -> SyntheticDataSet:
    return SyntheticDataSet(
        CHARACTERS,
        40,
        3,
        max_text_length=12,
        word_list=WORDS,
        difficulty=difficulty,
        looks={look: 1},
    )


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_lines_of_a_look_follow_from_their_number(look: str) -> None:
    lines, again = data_set(look), pickle.loads(pickle.dumps(data_set(look)))
    for index in (31, 2, 17):
        image, text = lines.line(index, epoch=1)
        repeated, same_text = again.line(index, epoch=1)
        assert text == same_text == lines.text(index, epoch=1)
        assert np.array_equal(image, repeated)
        assert image.dtype == np.uint8 and image.ndim == 3 and 10 <= image.shape[0] <= 64


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_most_lines_of_a_look_can_be_made_out(look: str) -> None:
    contrasts = []
    for index in range(40):
        grey = cv2.cvtColor(data_set(look).line(index)[0], cv2.COLOR_BGR2GRAY)
        dark, light = np.percentile(grey, [4, 96])
        contrasts.append(light - dark)
    assert np.median(contrasts) > 50
    assert np.mean(np.array(contrasts) > 12) > 0.9


def test_difficulty_zero_is_black_on_white_in_every_look() -> None:
    for look in LOOKS:
        image = data_set(look, difficulty=0.0).line(5)[0]
        assert image.min() < 200 and image[0].min() > 230


def test_unknown_look_is_an_error() -> None:
    with pytest.raises(DatasetError, match=r"expected shares of plain, sign.*got \{'sgin': 1\}"):
        data_set("sgin")


@pytest.mark.parametrize("rise", [0.6, -0.6])
def test_bent_line_has_its_middle_above_or_below_its_ends(rise: float) -> None:
    mask = np.zeros((40, 240), np.uint8)
    mask[16:24] = 255
    bent = bend(mask, rise)
    assert bent.shape[0] == 40
    rows = np.arange(40)[:, np.newaxis]
    heights = (rows * bent).sum(axis=0) / np.maximum(1, bent.sum(axis=0))
    ends = np.array([heights[5], heights[-6]])
    middle = heights[bent.shape[1] // 2]
    assert (ends > middle + 5).all() if rise > 0 else (ends < middle - 5).all()


def test_hollow_letters_keep_their_contour_and_dots_leave_gaps() -> None:
    mask = np.zeros((40, 80), np.uint8)
    mask[8:32, 20:60] = 255
    outline = hollow(mask, np.random.default_rng(0))
    assert outline[20, 40] == 0 and outline[7, 40] == 255
    dotted = dot(mask, np.random.default_rng(0))
    inside = dotted[12:28, 24:56]
    assert inside.min() == 0 and inside.max() > 200 and dotted[:4].max() == 0
