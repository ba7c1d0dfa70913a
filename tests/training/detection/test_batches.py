"""Which pages share a batch, and what a batch holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from training.data.build import LoaderOptions
from training.data.dataset import SampleDataset
from training.data.sample import Sample
from training.detection.batches import PageBatching, plan_batches
from training.detection.transforms import EVALUATION_KEYS, TRAINING_KEYS
from training.loop.parallel import Group


class Pages:
    """A source of so many pages."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def indices(self, epoch: int) -> Sequence[int]:
        return range(self.count)


def batching(keys: tuple[str, ...], count: int = 7, **loader: Any) -> PageBatching:
    options = LoaderOptions(**{"batch_size_per_card": 3, **loader})
    dataset = SampleDataset(Pages(count), [], range(count), True, seed=4)  # type: ignore[arg-type]
    return PageBatching(dataset, options, keys)


def test_every_page_is_used_once_in_an_order_of_the_epoch() -> None:
    pages = batching(TRAINING_KEYS, shuffle=True)
    first, second = ([list(batch) for batch in pages.plan(epoch)] for epoch in (0, 1))
    assert [len(batch) for batch in first] == [3, 3, 1]
    for plan in (first, second):
        assert sorted(index for batch in plan for index in batch) == list(range(7))
    assert first != second
    assert [list(batch) for batch in batching(TRAINING_KEYS, shuffle=True).plan(0)] == first


@pytest.mark.parametrize(
    ("count", "drop_last", "num_processes", "expected"),
    [
        (7, False, 1, [[0, 1, 2], [3, 4, 5], [6]]),
        (7, True, 1, [[0, 1, 2], [3, 4, 5]]),
        (2, True, 1, [[0, 1]]),
        (7, False, 2, [[0, 1, 2, 3, 4, 5], [6, 0]]),
        (1, False, 4, [[0, 0, 0, 0]]),
        (0, False, 2, []),
    ],
)
def test_the_last_batch(
    count: int, drop_last: bool, num_processes: int, expected: list[list[int]]
) -> None:
    size = 3 * num_processes
    assert plan_batches(range(count), size, None, drop_last, num_processes) == expected


def sample(number: int, shape: tuple[int, ...], num_texts: int) -> Sample:
    values = {
        "shape": np.array([shape[1], shape[2], 1.0, 1.0]),
        "polys": np.full((num_texts, 4, 2), number, np.float32),
        "ignore_tags": np.zeros(num_texts, np.bool_),
        **{key: np.full(shape[1:], number, np.float32) for key in TRAINING_KEYS[1:]},
    }
    return Sample(np.full(shape, number, np.float32), "", f"page {number}", values)


def test_a_training_batch_holds_maps_by_name() -> None:
    crops = [sample(number, (3, 32, 64), 2) for number in range(2)]
    batch = batching(TRAINING_KEYS).training_batch(crops, Group())
    assert tuple(batch.arrays) == TRAINING_KEYS and batch.names == ("page 0", "page 1")
    assert batch.arrays["image"].shape == (2, 3, 32, 64)
    for key in TRAINING_KEYS[1:]:
        assert batch.arrays[key].shape == (2, 32, 64) and batch.arrays[key][1].min() == 1


def test_neighbours_of_one_size_are_evaluated_together() -> None:
    small, large = (3, 32, 64), (3, 64, 64)
    shapes = [small, small, small, small, large, small]
    pages = [sample(number, shape, number) for number, shape in enumerate(shapes)]
    batches = list(batching(EVALUATION_KEYS).evaluation_batches(iter(pages)))
    assert [len(batch.names) for batch in batches] == [3, 1, 1, 1]
    assert [name for batch in batches for name in batch.names] == [page.name for page in pages]
    first = batches[0].arrays
    assert tuple(first) == EVALUATION_KEYS and first["shape"].shape == (3, 4)
    assert [len(polys) for polys in first["polys"]] == [0, 1, 2]
    assert [len(tags) for tags in first["ignore_tags"]] == [0, 1, 2]


def test_pages_with_equally_many_texts_stay_apart() -> None:
    pages = [sample(number, (3, 32, 32), 2) for number in range(2)]
    (batch,) = batching(EVALUATION_KEYS).evaluation_batches(pages)
    assert batch.arrays["polys"].shape == (2,)
    assert batch.arrays["polys"][1].shape == (2, 4, 2)
