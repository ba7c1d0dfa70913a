"""A sample follows from (seed, epoch, index); what cannot be read is replaced or reported."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.errors import ImageError
from runtime.recognition.charset import Charset
from runtime.recognition.spec import WidthPolicy
from training.data.dataset import SampleDataset
from training.data.sample import Draw, Failure, Sample
from training.recognition.augment import RecAug, RecConAug
from training.recognition.transforms import CTCLabelEncode, DecodeImage, RecResizeImg

MakeLine = Callable[..., NDArray[np.uint8]]
POLICY = WidthPolicy(32, 32, 320)


@dataclass
class Lines:
    """A source in memory that cannot read some of its lines."""

    images: Sequence[NDArray[np.uint8]]
    unreadable: frozenset[int] = frozenset()
    chosen: Sequence[int] | None = None
    reads: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int, epoch: int) -> Sample:
        self.reads.append(index)
        if index in self.unreadable:
            raise ImageError(f"line {index} is broken")
        return Sample(self.images[index].copy(), "ab"[index % 2], f"line {index}")

    def text(self, index: int, epoch: int) -> str:
        return "ab"[index % 2]

    def ratio(self, index: int, epoch: int) -> float:
        return 10.0 + index

    def indices(self, epoch: int) -> Sequence[int]:
        return range(len(self)) if self.chosen is None else self.chosen


def dataset(source: Lines, is_training: bool = True, **options: object) -> SampleDataset:
    transforms = [
        DecodeImage(),
        RecConAug(prob=0.5),
        RecAug(),
        CTCLabelEncode(Charset(("a", "b")), 25),
        RecResizeImg(POLICY, [3, 32, 320]),
    ]
    arguments = {"usable": range(len(source)), "seed": 7, **options}
    return SampleDataset(source, transforms, is_training=is_training, **arguments)  # type: ignore[arg-type]


@pytest.fixture
def lines(make_line: MakeLine) -> Lines:
    return Lines([make_line(50 + 5 * index, 28, index) for index in range(12)])


def test_pure_in_index_and_epoch(lines: Lines) -> None:
    first = dataset(lines)
    second = pickle.loads(pickle.dumps(first))
    outcomes = {}
    for epoch in (0, 1):
        for index in range(12):
            outcomes[epoch, index] = first.load(index, epoch)
    for (epoch, index), outcome in reversed(outcomes.items()):  # another order, another object
        again = second.load(index, epoch)
        assert isinstance(outcome, Sample) and isinstance(again, Sample)
        assert np.array_equal(outcome.image, again.image)
        assert (outcome.text, outcome.values) == (again.text, again.values)
    changed = [
        not np.array_equal(outcomes[0, index].image, outcomes[1, index].image)
        for index in range(12)
    ]
    assert sum(changed) > 6
    other_seed = [dataset(lines, seed=8).load(index, 0).image for index in range(12)]
    assert (
        sum(not np.array_equal(image, outcomes[0, i].image) for i, image in enumerate(other_seed))
        > 6
    )
    joined = [outcome for outcome in outcomes.values() if len(outcome.text) > 1]
    assert joined and all(len(sample.values["label"]) == len(sample.text) for sample in joined)


def test_an_unreadable_training_line_is_replaced_by_the_same_one(lines: Lines) -> None:
    broken = Lines(lines.images, frozenset({3, 5}))
    outcome, again = dataset(broken).load(3, 2), dataset(broken).load(3, 2)
    assert isinstance(outcome, Sample) and isinstance(again, Sample)
    assert outcome.name == again.name and outcome.name not in ("line 3", "line 5")
    assert np.array_equal(outcome.image, again.image)
    whole = dataset(broken).load(4, 2)
    assert isinstance(whole, Sample) and whole.name == "line 4"
    assert outcome.replaced == Failure("sample 3", "line 3 is broken") and whole.replaced is None


@pytest.mark.parametrize("error", [cv2.error("odd size"), MemoryError("too large")])
def test_what_an_odd_image_makes_a_library_raise_is_that_line_s(
    lines: Lines, error: Exception
) -> None:
    def fail(sample: Sample, draw: Draw) -> Sample:
        if sample.name == "line 3":
            raise error
        return sample

    broken = dataset(lines)
    object.__setattr__(broken, "transforms", [*broken.transforms, fail])
    outcome = broken.load(3, 0)
    assert isinstance(outcome, Sample) and outcome.replaced is not None
    assert str(outcome.replaced) == f"line 3: {type(error).__name__}: {error}"


def test_where_nothing_can_be_read_the_search_ends(lines: Lines) -> None:
    broken = Lines(lines.images, frozenset(range(12)))
    outcome = dataset(broken).load(3, 0)
    assert isinstance(outcome, Failure) and "is broken" in outcome.reason
    assert len(broken.reads) <= 20


def test_evaluation_reports_what_it_cannot_read(lines: Lines) -> None:
    broken = Lines(lines.images, frozenset({3}))
    outcome = dataset(broken, is_training=False).load(3, 0)
    assert outcome == Failure("sample 3", "line 3 is broken")
    assert broken.reads == [3]


def test_a_line_that_fails_to_join_does_not_fail_the_first(lines: Lines) -> None:
    broken = Lines(lines.images, frozenset(range(1, 12)))
    outcomes = [dataset(broken).load(0, epoch) for epoch in range(8)]
    assert any(isinstance(outcome, Sample) and outcome.text == "aa" for outcome in outcomes)


def test_only_usable_lines_of_the_epoch(lines: Lines) -> None:
    assert dataset(lines).indices(0) == list(range(12))
    assert dataset(lines, usable=[1, 4, 9]).indices(0) == [1, 4, 9]
    drawn = Lines(lines.images, chosen=[9, 2, 4, 4])
    assert dataset(drawn, usable=[1, 4, 9]).indices(0) == [9, 4, 4]
