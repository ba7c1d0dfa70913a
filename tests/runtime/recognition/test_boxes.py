"""Boxes lie where the characters are drawn; words are PaddleOCR's."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from runtime import Recognizer, RecognizerSpec, WidthPolicy
from runtime.recognition.boxes import Box, character_boxes, group_words
from runtime.recognition.result import Recognition


def test_evenly_spaced_characters_share_the_line() -> None:
    assert character_boxes((2, 7, 12), 4.0, width_px=60, height_px=30) == (
        Box(0, 0, 20, 30),
        Box(20, 0, 40, 30),
        Box(40, 0, 60, 30),
    )


def test_a_lone_character_is_as_wide_as_high() -> None:
    assert character_boxes((5,), 10.0, width_px=200, height_px=30) == (Box(40, 0, 70, 30),)


def test_a_missing_space_stays_empty() -> None:
    first, second, third, fourth = character_boxes((1, 2, 13, 14), 10.0, 200, 60)
    assert first.right == second.left and third.right == fourth.left
    assert second.right < third.left - 50


def test_the_order_of_reading_is_kept() -> None:
    steps = (12, 7, 2)
    assert character_boxes(steps, 4.0, 60, 30) == character_boxes(steps[::-1], 4.0, 60, 30)[::-1]


@given(
    st.sets(st.integers(0, 79), min_size=1).flatmap(
        lambda steps: st.permutations(sorted(steps)),
    ),
    st.integers(1, 3000),
    st.integers(1, 300),
)
def test_boxes_lie_in_the_image_and_do_not_overlap(
    steps: list[int], width_px: int, height_px: int
) -> None:
    boxes = character_boxes(steps, width_px / 80, width_px, height_px)
    in_place = [box for _, box in sorted(zip(steps, boxes, strict=True))]
    for box in in_place:
        assert 0 <= box.left < box.right <= width_px and (box.top, box.bottom) == (0, height_px)
    for one, after in pairwise(in_place):
        assert one.right <= after.left + 1e-6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" .,", []),
        ("hello world", ["hello", "world"]),
        ("Total: 3.14 EUR.", ["Total", "3.14", "EUR"]),
        ("state-of-the-art", ["state-of-the-art"]),
        (".5 -3", ["5", "3"]),
        ("1,000", ["1", "000"]),
        ("第3章 abc中文", ["第", "3", "章", "abc", "中文"]),
        ("中文 语言", ["中文", "语言"]),
        ("カタカナ語", ["カタカナ語"]),
        ("Übergröße naïve", ["Übergröße", "naïve"]),
        ("cafe\u0301 bar", ["cafe\u0301", "bar"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("שלום עולם", ["שלום", "עולם"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    boxes = [Box(10.0 * index, 0, 10.0 * index + 10, 20) for index in range(len(text))]
    assert [word.text for word in group_words(text, [0.5] * len(text), boxes)] == words


def test_a_word_has_the_mean_confidence_and_a_box_around_it() -> None:
    boxes = [Box(10.0 * index, 0, 10.0 * index + 10, 20) for index in range(5)]
    first, second = group_words("ab 中文", [0.5, 1.0, 0.1, 0.25, 0.75], boxes)
    assert (first.text, first.kind, first.confidence) == ("ab", "en&num", 0.75)
    assert (second.text, second.kind, second.confidence) == ("中文", "cn", 0.5)
    assert first.box == (0, 0, 20, 20) and second.box == (30, 0, 50, 20)


def test_padding_does_not_shift_boxes() -> None:
    """The same line, at its own width and padded to twice of it."""
    alone = Recognition(
        text="ab",
        confidence=0.5,
        characters=("a", "b"),
        character_confidences=(0.5, 0.5),
        time_steps=(2, 7),
        width_px=300,
        height_px=200,
        input_width_px=100,
        content_width_px=100,
        num_time_steps=10,
    )
    padded = Recognition(
        **{**vars(alone), "input_width_px": 200, "num_time_steps": 20},
    )
    assert alone.character_boxes == padded.character_boxes
    first, second = alone.character_boxes
    assert (first.left + first.right) / 2 == 75 and (second.left + second.right) / 2 == 225
    (word,) = alone.words
    assert word.box == (0, 0, 300, 200)


class InkSession:
    """Says class 1 wherever a column has ink, blank elsewhere: runs as wide as the glyphs."""

    description = "ink"
    px_per_time_step = 4
    num_lanes, lines_at_once = 1, None

    def __init__(self, spec: RecognizerSpec) -> None:
        self.spec = spec

    def read(
        self, lines: list[NDArray[np.uint8]], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        indices = np.zeros((len(lines), width_px // self.px_per_time_step), np.int64)
        for row, line in zip(indices, lines, strict=True):
            has_ink = line.min(axis=(0, 2)) < 128
            for step in range(math.ceil(len(has_ink) / self.px_per_time_step)):
                part = has_ink[step * self.px_per_time_step :][: self.px_per_time_step]
                row[step] = part.sum() * 2 >= self.px_per_time_step
        return indices, np.ones(indices.shape, np.float32)

    def close(self) -> None:
        pass


def rendered(text: str, spacing_px: int) -> tuple[NDArray[np.uint8], list[float]]:
    """A line as high as the network, and where the middle of each glyph's ink lies in it."""
    pillow = pytest.importorskip("PIL.ImageFont", reason="it draws the lines")
    image = pytest.importorskip("PIL.Image")
    draw = pytest.importorskip("PIL.ImageDraw")
    fonts = pytest.importorskip("matplotlib", reason="its font is drawn with").get_data_path()
    font = pillow.truetype(str(Path(fonts) / "fonts" / "ttf" / "DejaVuSans.ttf"), 26)
    middles, pen_px = [], 6
    canvas = image.new("RGB", (40 + sum(60 for _ in text), 32), "white")
    for glyph in text:
        draw.Draw(canvas).text((pen_px, 0), glyph, "black", font)
        left, _, right, _ = font.getbbox(glyph)
        middles.append(pen_px + (left + right) / 2)
        pen_px += round(font.getlength(glyph)) + spacing_px
    return np.asarray(canvas)[:, : pen_px + 6], middles


def offsets_px(recognitions: list[Recognition], middles: list[list[float]]) -> list[float]:
    """How far right of the ink the boxes' middles lie; those at the edge are cut, so left out."""
    return [
        (box.left + box.right) / 2 - middle
        for recognition, known in zip(recognitions, middles, strict=True)
        for box, middle in [*zip(recognition.character_boxes, known, strict=True)][1:-1]
    ]


def test_boxes_lie_in_the_middle_of_a_run_and_so_of_the_ink(
    make_spec: Callable[..., RecognizerSpec],
) -> None:
    lines, middles = zip(*(rendered(text, 12) for text in ("mwmwmwmw", "HMHMHM")), strict=True)
    spec = make_spec(width=WidthPolicy(4, 4, 3200))
    read = Recognizer(InkSession(spec))(lines)
    assert [len(line.characters) for line in read] == [8, 6], "a run for every glyph"
    only_first = [replace(line, last_time_steps=()) for line in read]
    now, before = (float(np.mean(offsets_px(one, [*middles]))) for one in (read, only_first))
    assert before < -6, "the first time step of a wide glyph is far left of its middle"
    assert abs(now) < 0.75


def test_a_real_network_s_boxes_lie_on_the_ink() -> None:
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:
        pytest.skip("its model is read")
    texts = ["spring 1987", "HARBOUR", "weather map", "0123456789"]
    lines, middles = zip(*(rendered(text, 1) for text in texts), strict=True)
    with Recognizer(
        Path(found.origin).parent / "models" / "PP-OCRv6_rec_small.onnx", device="cpu"
    ) as recognizer:
        read = recognizer(lines)
    assert [line.text for line in read] == texts
    px_per_time_step = read[0].input_width_px / read[0].num_time_steps * 32 / 48
    offsets = offsets_px(read, [*middles])
    assert abs(np.mean(offsets)) < px_per_time_step / 2
    assert np.mean(np.abs(offsets)) < px_per_time_step


def test_an_unread_image_has_no_boxes() -> None:
    failed = Recognition(text="", confidence=0.0, error="empty")
    assert failed.character_boxes == () and failed.words == ()
