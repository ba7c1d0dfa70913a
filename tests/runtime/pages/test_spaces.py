"""Lost spaces are put back where characters stand apart, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.pages.spaces import with_spaces
from runtime.recognition.result import Recognition

HEIGHT, LETTER_PX, GAP_PX, SPACE_PX, PX_PER_STEP = 40, 16, 4, 20, 4


def line(
    shown: str, read: str | None = None, is_dark: bool = False, scale: int = 1
) -> tuple[Recognition, NDArray[np.uint8]]:
    """A picture of blocks with gaps where `shown` has spaces, and a reading of it."""
    read = shown.replace(" ", "") if read is None else read
    width = (len(shown) + 1) * (LETTER_PX + GAP_PX) + SPACE_PX * shown.count(" ")
    picture = np.full((HEIGHT, width), 230, dtype=np.uint8)
    x = 10
    middles: list[float] = []
    for character in shown:
        if character == " ":
            x += SPACE_PX - GAP_PX
            continue
        letter = LETTER_PX // 4 if character in ".,:;" else LETTER_PX
        picture[8:32, x : x + letter] = 40
        middles.append(x + letter / 2)
        x += letter + GAP_PX
    steps: list[int] = []
    places = iter(middles)
    for character in read:
        steps.append(steps[-1] + 2 if character == " " else int(next(places) / PX_PER_STEP))
    reading = Recognition(
        text=read,
        confidence=0.8,
        characters=tuple(read),
        character_confidences=(0.8,) * len(read),
        time_steps=tuple(steps),
        last_time_steps=tuple(steps),
        width_px=width,
        height_px=HEIGHT,
        input_width_px=width,
        content_width_px=width,
        num_time_steps=width // PX_PER_STEP,
    )
    picture = 255 - picture if is_dark else picture
    return reading, np.repeat(np.repeat(picture, scale, axis=0), scale, axis=1)


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("Hello world", "Helloworld"),
        ("two words more", "two wordsmore"),
        ("Am See 400", "Am See400"),
        ("12. May", "12.May"),
        ("Привет мир", "Приветмир"),
        ("Καλή μέρα", "Καλήμέρα"),
    ],
    ids=["none read", "one read", "a number", "after a point", "Cyrillic", "Greek"],
)
@pytest.mark.parametrize("is_dark", (False, True), ids=["on white", "on black"])
@pytest.mark.parametrize("scale", (1, 3), ids=["as read", "three times as large"])
def test_a_lost_space_is_put_back(shown: str, read: str, is_dark: bool, scale: int) -> None:
    found = with_spaces(*line(shown, read, is_dark, scale))
    assert found.text == shown
    assert found.characters == tuple(shown)
    assert list(found.time_steps) == sorted(set(found.time_steps))
    assert len(found.character_confidences) == len(found.last_time_steps) == len(shown)
    assert found.confidence == pytest.approx(np.mean(found.character_confidences))
    assert len(found.character_boxes) == len(shown)


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("Hello world", "Hello world"),
        ("Helloworld", "Helloworld"),
        ("日本 語文", "日本語文"),
        ("한국 어문", "한국어문"),
        ("ภาษา ไทย", "ภาษาไทย"),
        ("נכון מאד", "נכוןמאד"),
        ("a b c d e f", "abcdef"),
        ("wait . . .", "wait ..."),
        ("a", "a"),
        ("", ""),
    ],
    ids=[
        *("right", "none shown", "ideographs", "Hangul", "Thai", "Hebrew", "set wide"),
        *("an ellipsis", "a character", "nothing"),
    ],
)
def test_a_line_is_left_as_it_is(shown: str, read: str) -> None:
    reading, picture = line(shown, read)
    assert with_spaces(reading, picture) is reading


def pictures() -> Sequence[NDArray[np.uint8]]:
    """Pictures that tell nothing of a line."""
    rng = np.random.default_rng(1)
    return (
        np.full((HEIGHT, 300), 128, dtype=np.uint8),
        np.zeros((1, 1), dtype=np.uint8),
        np.zeros((0, 0), dtype=np.uint8),
        rng.integers(0, 256, (HEIGHT, 300), dtype=np.uint8),
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("picture", pictures(), ids=["even", "a pixel", "no pixel", "noise"])
def test_a_picture_that_tells_nothing_changes_nothing(picture: NDArray[np.uint8]) -> None:
    reading, _ = line("Hello world")
    assert with_spaces(reading, picture) is reading


def test_a_reading_without_time_steps_is_left() -> None:
    _, picture = line("Hello world")
    reading = Recognition(text="Helloworld", confidence=0.5, characters=tuple("Helloworld"))
    assert with_spaces(reading, picture) is reading
    failed = Recognition(text="", confidence=0.0, error="no image")
    assert with_spaces(failed, picture) is failed


def test_there_has_to_be_room_between_time_steps() -> None:
    reading, picture = line("Hello world")
    touching = Recognition(
        **{**vars(reading), "last_time_steps": (*reading.time_steps[1:], reading.time_steps[-1])}
    )
    assert with_spaces(touching, picture) is touching


def test_it_takes_little() -> None:
    reading, picture = line("and so on for quite a while as lines of books do 123")
    with_spaces(reading, picture)
    begin = time.process_time()
    for _ in range(50):
        with_spaces(reading, picture)
    assert time.process_time() - begin < 50 * 0.001
