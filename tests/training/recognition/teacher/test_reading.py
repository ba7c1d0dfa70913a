"""Readings: made of what a network emits, packed, joined."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from training.recognition.teacher.reading import LineReading, joined, reading_of, unpack

CHARACTERS = ("a", "b", "c", "d")
AS_THEY_ARE = np.arange(5)


def rows(*steps: dict[int, float]) -> NDArray[np.float32]:
    """Probabilities [T, 5] of classes by step; what is left goes to the blank."""
    found = np.zeros((len(steps), 5), np.float32)
    for row, given in zip(found, steps, strict=True):
        for number, value in given.items():
            row[number] = value
        row[0] += 1 - row.sum()
    return found


def read(*steps: dict[int, float], table: NDArray[np.int64] = AS_THEY_ARE) -> LineReading:
    return reading_of(rows(*steps), table, CHARACTERS, float(len(steps)))


def test_texts_are_the_likeliest_with_their_probabilities() -> None:
    reading = read({1: 1.0}, {2: 0.7, 3: 0.3})
    assert [text.text for text in reading.texts] == ["ab", "ac"]
    assert [text.classes for text in reading.texts] == [(1, 2), (1, 3)]
    assert [text.probability for text in reading.texts] == pytest.approx([0.7, 0.3])
    assert (reading.text, reading.confidence) == ("ab", pytest.approx(0.85))
    assert reading.character_confidences == pytest.approx((1.0, 0.7))


def test_classes_are_kept_with_the_most_probable_first() -> None:
    reading = read({1: 0.2, 2: 0.5}, {})
    assert reading.classes.tolist() == [[2, 0, 1], [0, 1, 2]]
    assert reading.probabilities[0] == pytest.approx([0.5, 0.3, 0.2])


def test_classes_that_count_as_one_are_added() -> None:
    reading = read({1: 0.3, 2: 0.3, 3: 0.4}, table=np.array([0, 1, 1, 2, 3]))
    assert reading.classes.tolist() == [[1, 2, 0]]
    assert reading.probabilities[0, :2] == pytest.approx([0.6, 0.4])
    assert reading.texts[0].text == "a"


def test_a_line_without_text() -> None:
    reading = read({}, {})
    assert (reading.text, reading.confidence) == ("", 0.0)
    assert reading.is_spelled_by(1)


def test_whether_a_dictionary_spells_a_line() -> None:
    reading = read({1: 1.0}, {3: 1.0})
    assert reading.is_spelled_by(4) and not reading.is_spelled_by(3)


def test_packed_readings_come_back() -> None:
    reading = read({1: 0.75}, {2: 0.7, 3: 0.3}, {})
    back = unpack(reading.pack())
    assert back is not None
    assert back.texts == reading.texts and back.line_steps == 3
    assert np.array_equal(back.classes, reading.classes)
    assert np.allclose(back.probabilities, reading.probabilities, atol=5e-4)
    assert back.classes.dtype == np.int32 and back.probabilities.dtype == np.float32
    again = unpack(back.pack())
    assert again is not None and np.array_equal(again.probabilities, back.probabilities)


def test_bytes_that_are_no_reading_are_none() -> None:
    packed = read({1: 1.0}, {}).pack()
    content = zlib.decompress(packed)
    for wrong in (
        b"",
        packed[:10],
        b"nothing",
        zlib.compress(b"{}\n"),
        zlib.compress(b"[1]\n"),
        zlib.compress(content[:-1]),
        zlib.compress(content.replace(b'"texts"', b'"tests"')),
        zlib.compress(content.replace(b"[2, 2]", b"[-2, -2]")),
        zlib.compress(content.replace(b"[2, 2]", b"[9e9, 2]")),
        zlib.compress(b"[" * 10000),
        zlib.compress(content.replace(b'"line_steps": 2.0', b'"line_steps": 0.0')),
        zlib.compress(content.replace(b'"line_steps": 2.0', b'"line_steps": NaN')),
        zlib.compress(content.replace(b'["a", [1],', b'["a", [0],')),
        zlib.compress(content.replace(b'["a", [1],', b'["a", [1], 1')),
    ):
        assert unpack(wrong) is None


def test_a_line_behind_another() -> None:
    first = reading_of(rows({1: 0.5, 2: 0.5}, {}, {}), AS_THEY_ARE, CHARACTERS, 1.6)
    following = reading_of(rows({3: 0.9}, {}), AS_THEY_ARE, CHARACTERS, 1.0)
    both = joined(first, following)
    assert {text.text for text in both.texts[:2]} == {"ac", "bc"}
    assert both.texts[0].probability == pytest.approx(0.45, abs=1e-3)
    assert both.classes.shape == (4, 3) and both.line_steps == 3.0
    assert both.classes[2].tolist() == [3, 0, 0]  # filled up with blanks of no probability
    assert both.probabilities[2].tolist() == pytest.approx([0.9, 0.1, 0.0])
