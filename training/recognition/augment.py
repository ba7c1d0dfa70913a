"""Augmentations under PaddleOCR's names and probabilities, each drawn from the sample's own rng.

The geometric ones move control points on the upper and the lower edge and interpolate between
them, where PaddleOCR solves moving least squares: the same family of distortions at a fraction
of the cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.recognition.preprocess import resize_to
from runtime.recognition.spec import BILINEAR
from training.data.sample import Draw, Image, Sample
from training.recognition.teacher.reading import joined

_SMALLEST_SIDE_PX = 20
Points = NDArray[np.float64]


def warp_edges(image: Image, xs: Points, upper: Points, lower: Points) -> Image:
    """Move control points of the upper and lower edge; the picture between follows.

    Args:
        image: uint8 [h, w, 3].
        xs: x of the control points in px, ascending, [P].
        upper, lower: displacement (dx, dy) in px of each point on either edge, [P, 2].

    Returns:
        uint8 [h, w, 3]; what comes in from outside repeats the border.
    """
    height, width = image.shape[:2]
    columns = np.arange(width, dtype=np.float64)
    edges = [
        np.stack([np.interp(columns, xs, edge[:, axis]) for axis in (0, 1)])
        for edge in (upper, lower)
    ]
    weight = np.linspace(0.0, 1.0, height)[:, np.newaxis]
    dx, dy = ((1 - weight) * edges[0][axis] + weight * edges[1][axis] for axis in (0, 1))
    map_x = (columns - dx).astype(np.float32)
    map_y = (np.arange(height)[:, np.newaxis] - dy).astype(np.float32)
    warped = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped.astype(np.uint8, copy=False)


def distort(image: Image, segments: int, rng: np.random.Generator) -> Image:
    """Move the control points at random in both directions."""
    height, width = image.shape[:2]
    xs = np.linspace(0, width, segments + 1)
    reach = max(width // segments // 3, 1) * 0.5
    reach = min(reach, height * 0.25)
    return warp_edges(
        image,
        xs,
        rng.uniform(-reach, reach, (segments + 1, 2)),
        rng.uniform(-reach, reach, (segments + 1, 2)),
    )


def stretch(image: Image, segments: int, rng: np.random.Generator) -> Image:
    """Stretch and squeeze along the line, the same above and below."""
    xs = np.linspace(0, image.shape[1], segments + 1)
    reach = image.shape[1] // segments * 0.4
    moves = np.zeros((segments + 1, 2))
    moves[1:-1, 0] = rng.uniform(-reach, reach, segments - 1)
    moves[1:-1, 0] = np.clip(moves[1:-1, 0], -0.45 * xs[1], 0.45 * xs[1])
    return warp_edges(image, xs, moves, moves)


def tilt(image: Image, rng: np.random.Generator) -> Image:
    """Narrow the line towards one end, as perspective does."""
    height, width = image.shape[:2]
    xs = np.array([0.0, float(width)])
    inward = rng.uniform(0, height // 2, (2, 2)) * 0.5
    upper = np.stack([np.zeros(2), inward[0]], axis=1)
    lower = np.stack([np.zeros(2), -inward[1]], axis=1)
    return warp_edges(image, xs, upper, lower)


class BaseDataAugmentation:
    """Crop of the upper or lower edge, blur, brightness, shift, noise, inversion.

    Args:
        crop_prob, reverse_prob, noise_prob, jitter_prob, blur_prob, hsv_aug_prob: probability of
            each.

    Source: PaddleOCR `rec_img_aug.BaseDataAugmentation`, with its strengths.
    """

    def __init__(
        self,
        crop_prob: float = 0.4,
        reverse_prob: float = 0.4,
        noise_prob: float = 0.4,
        jitter_prob: float = 0.4,
        blur_prob: float = 0.4,
        hsv_aug_prob: float = 0.4,
    ) -> None:
        self.crop_prob = crop_prob
        self.reverse_prob = reverse_prob
        self.noise_prob = noise_prob
        self.jitter_prob = jitter_prob
        self.blur_prob = blur_prob
        self.hsv_aug_prob = hsv_aug_prob

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Augment a decoded sample."""
        rng, image = draw.rng, sample.image
        height, width = image.shape[:2]
        is_large = min(height, width) >= _SMALLEST_SIDE_PX
        if rng.random() <= self.crop_prob and is_large:
            rows = int(min(rng.integers(1, 9), height - 1))
            image = image[rows:] if rng.random() < 0.5 else image[: height - rows]
        if rng.random() <= self.blur_prob:
            image = cv2.GaussianBlur(image, (5, 5), 1)
        if rng.random() <= self.hsv_aug_prob:
            image = _scaled_brightness(image, 1 + 0.001 * rng.uniform(-1, 1))
        if rng.random() <= self.jitter_prob:
            image = _shifted(image, int(rng.random() * min(height, width) * 0.01))
        if rng.random() <= self.noise_prob:
            noisy = image + 0.5 * rng.normal(0, 0.1**0.5, image.shape)
            image = np.clip(noisy, 0, 255).astype(np.uint8)
        if rng.random() <= self.reverse_prob:
            image = 255 - image
        sample.image = np.ascontiguousarray(image)
        return sample


def _scaled_brightness(image: Image, factor: float) -> Image:
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    hsv[:, :, 2] = np.clip(hsv[:, :, 2] * factor, 0, 255).astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR).astype(np.uint8, copy=False)


def _shifted(image: Image, steps: int) -> Image:
    shifted = image.copy()
    for step in range(1, steps):
        shifted[step:, step:] = image[:-step, :-step]
    return shifted


class RecAug:
    """Geometric distortion with `tia_prob`, then `BaseDataAugmentation`.

    Source: Luo et al. 2020 (arXiv:2003.06606) for the distortions; PaddleOCR `RecAug`.
    """

    def __init__(
        self,
        tia_prob: float = 0.4,
        crop_prob: float = 0.4,
        reverse_prob: float = 0.4,
        noise_prob: float = 0.4,
        jitter_prob: float = 0.4,
        blur_prob: float = 0.4,
        hsv_aug_prob: float = 0.4,
    ) -> None:
        self.tia_prob = tia_prob
        self.base = BaseDataAugmentation(
            crop_prob, reverse_prob, noise_prob, jitter_prob, blur_prob, hsv_aug_prob
        )

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Augment a decoded sample."""
        rng = draw.rng
        is_large = min(sample.image.shape[:2]) >= _SMALLEST_SIDE_PX
        if rng.random() <= self.tia_prob and is_large:
            sample.image = distort(sample.image, int(rng.integers(3, 7)), rng)
            sample.image = stretch(sample.image, int(rng.integers(3, 7)), rng)
            sample.image = tilt(sample.image, rng)
        return self.base(sample, draw)


class RecConAug:
    """Appends other lines to this one while text and width allow it.

    Args:
        prob: probability of trying.
        image_shape: [height, width, channels]; the joint line is no wider in ratio.
        max_text_length: of the joint text.
        ext_data_num: how many lines to try.
        longest_label: characters of the longest label; no joint text is longer, whereas PaddleOCR
            joins such lines and then takes another line in their place.
        resize: how lines are brought to the joint height, as the whole is.

    Source: PaddleOCR `RecConAug`.
    """

    joins: ClassVar[bool] = True
    """Marks a transform that joins other samples to its own."""

    def __init__(
        self,
        prob: float = 0.5,
        image_shape: Sequence[int] = (32, 320, 3),
        max_text_length: int = 25,
        ext_data_num: int = 1,
        longest_label: int | None = None,
        resize: str = BILINEAR,
    ) -> None:
        self.prob = prob
        self.resize = resize
        self.height = image_shape[0]
        self.max_ratio = image_shape[1] / image_shape[0]
        self.max_text_length = min(max_text_length, longest_label or max_text_length)
        self.ext_data_num = ext_data_num

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Extend a sample whose image is decoded and whose text is not yet encoded."""
        if draw.rng.random() > self.prob:
            return sample
        for _ in range(self.ext_data_num):
            following = draw.other_sample()
            images = [sample.image, following.image]
            ratios = [image.shape[1] / image.shape[0] for image in images]
            is_too_long = len(sample.text) + len(following.text) > self.max_text_length
            if is_too_long or sum(ratios) > self.max_ratio:
                break
            sample.image = np.concatenate(
                [
                    resize_to(image, self.height, max(1, round(ratio * self.height)), self.resize)
                    for image, ratio in zip(images, ratios, strict=True)
                ],
                axis=1,
            )
            sample.text += following.text
            sample.readings = {
                name: joined(reading, following.readings[name])
                for name, reading in sample.readings.items()
            }
        return sample
