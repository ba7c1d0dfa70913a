"""The picture of a line."""

import cv2
import numpy as np
import pytest

from runtime.errors import DatasetError
from training.data.synthetic.fonts import FontBook, build_font_book
from training.data.synthetic.layout import MAX_HEIGHT_PX, MIN_HEIGHT_PX
from training.data.synthetic.render import render_line

TEXTS = ["Hamburg 1,50", "-", ".", "'", "cow", "W" * 40, "i", "ÄÖÜ"]


@pytest.fixture(scope="module")
def fonts() -> FontBook:
    return build_font_book({character for text in TEXTS for character in text})


@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("text", TEXTS)
def test_picture_has_the_promised_form(fonts: FontBook, text: str, difficulty: float) -> None:
    for seed in range(20):
        image = render_line(text, np.random.default_rng(seed), fonts, difficulty)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert MIN_HEIGHT_PX <= image.shape[0] <= MAX_HEIGHT_PX
        assert image.shape[1] >= 1


def test_same_generator_same_picture(fonts: FontBook) -> None:
    first, again, other = (
        render_line("Hamburg", np.random.default_rng(seed), fonts, 0.7) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_difficulty_zero_is_black_on_white_and_whole(fonts: FontBook) -> None:
    for seed in range(100):
        text = TEXTS[seed % len(TEXTS)]
        image = render_line(text, np.random.default_rng(seed), fonts, 0.0)
        assert image.min() < 200
        edges = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert edges.min() > 230
        assert np.ptp(image.astype(int), axis=2).max() == 0


@pytest.mark.parametrize("difficulty", [0.25, 0.5])
def test_text_stands_out(fonts: FontBook, difficulty: float) -> None:
    # Ink and paper differ clearly in brightness in every single picture.
    for seed in range(150):
        image = render_line("Hamburg 1,50", np.random.default_rng(seed), fonts, difficulty)
        dark, light = np.percentile(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), [4, 96])
        assert light - dark > 45, seed


def test_longer_text_is_wider(fonts: FontBook) -> None:
    def mean_ratio(text: str) -> float:
        images = [render_line(text, np.random.default_rng(s), fonts, 0.5) for s in range(30)]
        return float(np.mean([image.shape[1] / image.shape[0] for image in images]))

    assert mean_ratio("Hamburg Hamburg".replace(" ", "")) > 1.6 * mean_ratio("Hamburg")


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_to_draw_is_an_error(fonts: FontBook, text: str) -> None:
    with pytest.raises(DatasetError, match="nothing to draw"):
        render_line(text, np.random.default_rng(0), fonts, 0.5)


def test_undrawable_text_is_an_error(fonts: FontBook) -> None:
    with pytest.raises(DatasetError, match="no font draws"):
        render_line("Ж", np.random.default_rng(0), fonts, 0.5)
