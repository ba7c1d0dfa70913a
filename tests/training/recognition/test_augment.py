"""Augmentations keep a line a line, follow from their generator, and survive tiny images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.sample import Draw, Sample
from training.recognition.augment import (
    BaseDataAugmentation,
    RecAug,
    RecConAug,
    distort,
    stretch,
    tilt,
    warp_edges,
)

MakeLine = Callable[..., NDArray[np.uint8]]
ALWAYS = dict.fromkeys(
    ("crop_prob", "reverse_prob", "noise_prob", "jitter_prob", "blur_prob", "hsv_aug_prob"), 1.0
)
NEVER = dict.fromkeys(ALWAYS, 0.0)
AUGMENTATIONS = {
    "RecAug": RecAug(tia_prob=1.0, **ALWAYS),
    "BaseDataAugmentation": BaseDataAugmentation(**ALWAYS),
    "often": RecAug(),
}


def draw(seed: int, other: Sample | None = None) -> Draw:
    def other_sample() -> Sample:
        assert other is not None
        return Sample(other.image.copy(), other.text, other.name)

    return Draw(np.random.default_rng(seed), other_sample)


def correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return float(abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_image_stays_an_image(name: str, make_line: MakeLine) -> None:
    for seed in range(40):
        image = make_line(100, 32, seed)
        sample = AUGMENTATIONS[name](Sample(image.copy(), "abc", "one"), draw(seed))
        assert sample.image.dtype == np.uint8 and sample.image.ndim == 3
        assert sample.image.flags["C_CONTIGUOUS"]
        height, width, channels = sample.image.shape
        assert (width, channels) == (100, 3) and 24 <= height <= 32
        assert sample.image.std() > 5  # something can still be seen
        assert (sample.text, sample.name) == ("abc", "one")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_follows_from_the_generator(name: str, make_line: MakeLine) -> None:
    def outcome(seed: int) -> NDArray[Any]:
        image = make_line(100, 32, 1)
        return np.asarray(AUGMENTATIONS[name](Sample(image, "abc", "one"), draw(seed)).image)

    assert np.array_equal(outcome(3), outcome(3))
    assert len({outcome(seed).tobytes() for seed in range(12)}) > 6


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 50), (50, 1), (3, 5), (19, 400), (20, 20), (21, 2000)]
)
def test_any_size_survives(name: str, size: tuple[int, int]) -> None:
    height, width = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for seed in range(6):
        out = AUGMENTATIONS[name](Sample(image.copy(), "a", "one"), draw(seed)).image
        assert out.dtype == np.uint8 and out.shape[1:] == (width, 3) and out.shape[0] >= 1


def test_the_caller_keeps_its_image(make_line: MakeLine) -> None:
    image = make_line(100, 32, 1)
    before = image.copy()
    for seed in range(5):
        AUGMENTATIONS["RecAug"](Sample(image, "abc", "one"), draw(seed))
    assert np.array_equal(image, before)


def test_without_probability_nothing_happens(make_line: MakeLine) -> None:
    image = make_line(100, 32, 1)
    out = RecAug(tia_prob=0.0, **NEVER)(Sample(image.copy(), "abc", "one"), draw(0))
    assert np.array_equal(out.image, image)


@pytest.mark.parametrize(
    ("probability", "changed"),
    [("reverse_prob", lambda image: 255 - image), ("crop_prob", None), ("noise_prob", None)],
)
def test_each_probability_drives_its_own_change(
    probability: str, changed: Callable[[Any], Any] | None, make_line: MakeLine
) -> None:
    image = make_line(100, 32, 1)
    options = {**NEVER, probability: 1.0}
    out = BaseDataAugmentation(**options)(Sample(image.copy(), "abc", "one"), draw(0)).image
    if changed is not None:
        assert np.array_equal(out, changed(image))
    elif probability == "crop_prob":
        rows = out.shape[0]
        assert 24 <= rows < 32
        assert np.array_equal(out, image[:rows]) or np.array_equal(out, image[-rows:])
    else:
        assert 0 < np.abs(out.astype(int) - image).max() <= 3


def test_moving_nothing_changes_nothing(make_line: MakeLine) -> None:
    image = make_line(100, 32, 1)
    still = np.zeros((3, 2))
    assert np.array_equal(warp_edges(image, np.array([0.0, 50, 100]), still, still), image)


def test_moving_everything_shifts_the_picture(make_line: MakeLine) -> None:
    image = make_line(100, 32, 1)
    shift = np.tile([4.0, 2.0], (3, 1))
    moved = warp_edges(image, np.array([0.0, 50, 100]), shift, shift)
    assert np.array_equal(moved[2:, 4:], image[:-2, :-4])


@pytest.mark.parametrize("distortion", [distort, stretch, lambda image, _, rng: tilt(image, rng)])
def test_distortions_stay_moderate(distortion: Callable[..., Any], make_line: MakeLine) -> None:
    import cv2

    alike = []
    for seed in range(20):
        image = cv2.GaussianBlur(make_line(120, 32, seed), (15, 15), 4)
        alike.append(correlation(distortion(image, 4, np.random.default_rng(seed)), image))
    assert min(alike) < 0.999 and np.median(alike) > 0.5


def test_joined_lines(make_line: MakeLine) -> None:
    first, second = make_line(60, 30, 1), make_line(50, 20, 2)
    join = RecConAug(prob=1.0, image_shape=[32, 320, 3], max_text_length=10)
    out = join(Sample(first, "abc", "one"), draw(0, Sample(second, "de", "two")))
    assert out.text == "abcde" and out.name == "one"
    assert out.image.shape == (32, 64 + 80, 3) and out.image.dtype == np.uint8


@pytest.mark.parametrize(
    ("text", "width", "options"),
    [
        ("too long by one", 50, {"max_text_length": 17}),
        ("de", 2000, {}),
        ("de", 50, {"prob": 0.0}),
    ],
)
def test_not_joined(text: str, width: int, options: dict[str, Any], make_line: MakeLine) -> None:
    first, second = make_line(60, 30, 1), make_line(width, 20, 2)
    join = RecConAug(**{"prob": 1.0, **options})
    out = join(Sample(first.copy(), "abc", "one"), draw(0, Sample(second, text, "two")))
    assert out.text == "abc" and np.array_equal(out.image, first)


def test_several_lines_until_one_does_not_fit(make_line: MakeLine) -> None:
    join = RecConAug(prob=1.0, image_shape=[32, 320, 3], max_text_length=25, ext_data_num=9)
    other = Sample(make_line(90, 30, 2), "de", "two")
    out = join(Sample(make_line(60, 30, 1), "abc", "one"), draw(0, other))
    assert out.text == "abc" + 2 * "de"  # a third would be wider than 10 : 1
