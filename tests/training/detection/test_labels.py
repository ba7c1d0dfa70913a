"""Labels of pages: what is read, and what is refused in words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from runtime.errors import DatasetError
from tests.db_post import EXPECTED
from tests.training.detection.pages import draw
from training.data.sample import Sample
from training.detection.labels import DetLabelEncode, TextPolygons

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]


def encode(label: str) -> Sample:
    return DetLabelEncode()(Sample(b"", label, "page.png"), draw())


def test_polygons_are_paddleocrs() -> None:
    expected = EXPECTED["transforms"]["DetLabelEncode"]
    values = encode(json.dumps(expected["label"])).values
    assert values["polys"].tolist() == expected["polys"]
    assert values["polys"].dtype == np.float32
    assert values["texts"] == expected["texts"]
    assert values["ignore_tags"].tolist() == expected["ignore_tags"]


def test_points_that_are_no_numbers_are_left_out() -> None:
    odd = [[float("nan"), 0], *SQUARE[1:]]
    label = json.dumps([{"points": points, "transcription": "a"} for points in (odd, SQUARE)])
    assert encode(label).values["polys"].tolist() == [SQUARE]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("", "the label is no JSON"),
        ("[" * 100_000, "the label is no JSON"),
        ("[]", "no text in the label"),
        ('{"points": 3}', "expected a list"),
        ("[3]", "expected points .* and transcription of each text, got 3"),
        ('[{"points": [[1, 2]], "transcription": "a"}]', "expected 3 to 1000 points"),
        ('[{"points": [1, 2, 3], "transcription": "a"}]', "expected points"),
        ('[{"points": [[0, 0], [1, 1], [2]], "transcription": "a"}]', "expected points"),
        ('[{"points": [["a", 0], [1, 1], [2, 2]], "transcription": "a"}]', "expected points"),
        ('[{"points": [[1e9, 0], [1, 1], [2, 2]], "transcription": "a"}]', "1e.06 px away"),
        ('[{"points": [[0, 0], [1, 1], [2, 2]]}]', "expected points"),
    ],
)
def test_what_is_no_label_is_told(label: str, message: str) -> None:
    with pytest.raises(DatasetError, match=f"page.png: .*{message}"):
        encode(label)


def test_texts_are_kept_with_their_polygons() -> None:
    labels = TextPolygons(
        np.arange(24, dtype=np.float32).reshape(3, 4, 2), ("a", "b", "c"), np.array([0, 1, 0], bool)
    )
    kept = labels.kept([2, 1])
    assert kept.texts == ("c", "b")
    assert kept.polys[0, 0].tolist() == [16, 17]
    assert kept.ignored.tolist() == [False, True]
    assert labels.kept([]).polys.shape == (0, 4, 2)
