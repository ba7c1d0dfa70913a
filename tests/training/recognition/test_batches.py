"""Which lines share a batch, and the arithmetic of the batch they become."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from runtime.recognition.preprocess import resize_line
from runtime.recognition.spec import WidthPolicy
from training.data.build import LoaderOptions
from training.data.sample import Sample
from training.loop.parallel import Group
from training.recognition.batches import (
    LineBatching,
    batch_width,
    plan_batches,
    planned_width,
    width_for_label,
)

POLICY = WidthPolicy(32, 32, 320)


def line(width: int, label: list[int], height: int = 32, seed: int = 0) -> Sample:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Sample(image, "x" * len(label), f"line {seed}", {"label": label})


KEEP_KEYS = ("image", "label", "length", "valid_ratio", "label_ace")


def batching(policy: WidthPolicy = POLICY) -> LineBatching:
    dataset: Any = None  # only planning asks it
    return LineBatching(dataset, {}, policy, 32, LoaderOptions(2), KEEP_KEYS, 5, 4)


@given(
    widths=st.lists(st.integers(1, 20).map(lambda step: 32 * step), min_size=1, max_size=80),
    batch_size=st.integers(1, 9),
    seed=st.none() | st.integers(0, 5),
)
def test_every_line_is_in_one_batch(widths: list[int], batch_size: int, seed: int | None) -> None:
    indices = [7 * number for number in range(len(widths))]
    rng = None if seed is None else np.random.default_rng(seed)
    batches = plan_batches(indices, widths, batch_size, rng, drop_last=False)
    assert sorted(index for batch in batches for index in batch) == indices
    sizes = sorted(map(len, batches), reverse=True)
    assert set(sizes[:-1]) <= {batch_size} and 1 <= sizes[-1] <= batch_size
    if rng is None:
        assert [index for batch in batches for index in batch] == indices


@pytest.mark.parametrize("seed", [None, 3])
def test_drop_last(seed: int | None) -> None:
    def plan(count: int) -> list[list[int]]:
        rng = None if seed is None else np.random.default_rng(seed)
        return plan_batches(range(count), [32] * count, 4, rng, drop_last=True)

    assert [len(batch) for batch in plan(11)] == [4, 4]
    assert [len(batch) for batch in plan(12)] == [4, 4, 4]
    assert [len(batch) for batch in plan(3)] == [3]  # the only one stays
    assert plan_batches([], [], 4, None, True) == []


def test_the_plan_follows_from_the_generator() -> None:
    widths = (32 * np.random.default_rng(0).integers(1, 20, 300)).tolist()

    def plan(seed: int) -> list[list[int]]:
        return plan_batches(range(300), widths, 8, np.random.default_rng(seed), True)

    assert plan(1) == plan(1) != plan(2)


def test_lines_of_similar_width_share_a_batch() -> None:
    widths = (32 * np.random.default_rng(0).integers(1, 20, 4000)).tolist()

    def padding(batches: list[list[int]]) -> float:
        filled = sum(widths[index] for batch in batches for index in batch)
        return sum(max(widths[i] for i in batch) * len(batch) for batch in batches) / filled - 1

    grouped = plan_batches(range(4000), widths, 16, np.random.default_rng(1), False)
    assert (
        padding(grouped) < 0.05 < 0.5 < padding(plan_batches(range(4000), widths, 16, None, False))
    )
    # Neighbouring batches are not sorted, and lines meet other lines next time.
    order = [widths[batch[0]] for batch in grouped]
    assert sum(first > second for first, second in pairwise(order)) > 50
    again = plan_batches(range(4000), widths, 16, np.random.default_rng(2), False)
    assert not {frozenset(batch) for batch in grouped} & {frozenset(batch) for batch in again}


@pytest.mark.parametrize(
    ("label", "steps"), [([1, 2, 3], 3), ([1, 1, 1], 5), ([1, 2, 2, 3, 3], 7), ([5], 1)]
)
def test_width_for_label(label: list[int], steps: int) -> None:
    assert width_for_label(label, 4) == 4 * steps


@pytest.mark.parametrize(
    ("widths", "labels", "policy", "expected"),
    [
        ([10, 33], [[1], [1]], POLICY, 64),
        ([10, 320], [[1], [1]], POLICY, 320),
        ([10], [[1, 2] * 5], POLICY, 64),  # 10 steps of 4 px
        ([10], [[1] * 9], POLICY, 96),  # 9 characters and 8 blanks between
        ([10], [[1] * 60], POLICY, 480),  # the label must fit even beyond max_width
        ([10, 50], [[1], [1]], WidthPolicy(320, 320, 320), 320),
        ([10], [[1] * 60], WidthPolicy(320, 320, 320), 320),  # one width for every batch
        ([90], [[1]], WidthPolicy(32, 32, 100), 96),
        ([97], [[1]], WidthPolicy(32, 32, 100), 100),
    ],
)
def test_width_of_a_batch(
    widths: list[int], labels: list[list[int]], policy: WidthPolicy, expected: int
) -> None:
    samples = [line(width, label) for width, label in zip(widths, labels, strict=True)]
    assert batch_width(samples, policy, 4) == expected


def test_collate() -> None:
    samples = [line(10, [3, 1], seed=1), line(64, [2, 2, 2], seed=2)]
    batch = batching().collate(samples, 64)
    arrays = batch.arrays
    assert list(arrays) == list(KEEP_KEYS) and batch.names == ("line 1", "line 2")
    assert arrays["image"].shape == (2, 3, 32, 64) and arrays["image"].dtype == np.float32
    assert not arrays["image"][0, :, :, 10:].any()
    assert arrays["label"].tolist() == [[3, 1, 0], [2, 2, 2]]
    assert arrays["label"].dtype == arrays["length"].dtype == np.int64
    assert arrays["length"].tolist() == [2, 3]
    assert arrays["valid_ratio"].tolist() == [np.float32(10 / 64), 1.0]
    assert arrays["label_ace"].tolist() == [[1, 1, 0, 1, 0], [0, 0, 3, 0, 0]]


def test_a_batch_holds_what_is_kept_and_nothing_else() -> None:
    plain = replace(batching(), keep_keys=("image", "label", "length"))
    assert list(plain.collate([line(10, [1])], 32).arrays) == ["image", "label", "length"]


def test_evaluation_batches_are_of_one_width_each() -> None:
    samples = [line(width, [1], seed=width) for width in (10, 70, 20, 90, 30)]
    batches = list(batching().evaluation_batches(samples))
    widths = [batch.arrays["image"].shape[3] for batch in batches]
    assert sorted(name for batch in batches for name in batch.names) == sorted(
        sample.name for sample in samples
    )
    for batch, width in zip(batches, widths, strict=True):
        of_names = [int(name.split()[1]) for name in batch.names]
        assert {POLICY.input_width(content) for content in of_names} == {width}


def paddleocr_image(image: NDArray[np.uint8], shape: tuple[int, int, int]) -> tuple[Any, float]:
    """Resize, normalise and pad, written anew from the description of PaddleOCR's arithmetic."""
    _, height, width = shape
    resized_width = min(width, math.ceil(height * (image.shape[1] / float(image.shape[0]))))
    resized = cv2.resize(image, (resized_width, height)).astype("float32").transpose(2, 0, 1)
    padded = np.zeros(shape, np.float32)
    padded[:, :, :resized_width] = (resized / 255 - 0.5) / 0.5
    return padded, min(1.0, resized_width / width)


@pytest.mark.parametrize("size", [(32, 100), (40, 77), (17, 300), (64, 20), (48, 481), (31, 310)])
def test_a_fixed_width_is_paddleocrs(size: tuple[int, int]) -> None:
    policy = WidthPolicy(320, 320, 320)  # what width_step 0 means
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    sample = Sample(resize_line(image, 32, policy), "a", "one", {"label": [1]})
    batch = batching(policy).training_batch([sample], Group())
    expected, valid_ratio = paddleocr_image(image, (3, 32, 320))
    assert batch.arrays["image"].shape == (1, 3, 32, 320)
    np.testing.assert_array_equal(batch.arrays["image"][0], expected)
    assert batch.arrays["valid_ratio"][0] == np.float32(valid_ratio)


@given(width=st.integers(1, 3000), height=st.integers(1, 200))
def test_the_planned_width_is_the_width_or_next_to_it(width: int, height: int) -> None:
    content = POLICY.content_width(height, width, 32)
    planned = planned_width(width / height, 32, POLICY)
    assert abs(planned - POLICY.input_width(content)) <= POLICY.step_px
