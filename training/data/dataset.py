"""A source of samples with its transforms: index and epoch alone decide what a sample is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.planned import PlannedBatch, Size
from training.data.sample import (
    OF_ONE_SAMPLE,
    Draw,
    Failure,
    Sample,
    SampleSource,
    Transform,
)

_SUBSTITUTES = 16
_OTHER_SAMPLE_TRIES = 16


@dataclass(frozen=True)
class SampleDataset:
    """Samples as pure functions of (seed, epoch, index).

    Any number of workers gives the same samples, and a resumed run sees what the first would have.

    Args:
        source: the samples.
        transforms: applied in order.
        usable: indices of the source that the data report kept.
        is_training: an unusable sample is replaced by a neighbour, not reported.
        seed: of every random choice.
        ext_op_transform_idx: how many transforms another sample passes before it is joined.
    """

    source: SampleSource
    transforms: Sequence[Transform]
    usable: Sequence[int]
    is_training: bool
    seed: int
    ext_op_transform_idx: int = 1

    def indices(self, epoch: int) -> list[int]:
        """Return the usable samples of `epoch`, in the source's order."""
        if len(self.usable) == len(self.source):
            return list(self.source.indices(epoch))
        usable = set(self.usable)
        return [index for index in self.source.indices(epoch) if index in usable]

    def load_batch(self, batch: PlannedBatch, epoch: int) -> list[Sample | Failure]:
        """Return the samples of a batch, each as `load` gives it."""
        return [self.load(index, epoch, batch.size) for index in batch.indices]

    def load(self, index: int, epoch: int, size: Size | None = None) -> Sample | Failure:
        """Return the sample after all transforms, or why it cannot be used.

        In training a neighbour, the same every time, takes the place of an unusable sample and
        names it under `replaced`.

        Args:
            index: of the source.
            epoch: from 0.
            size: that its batch gives its image, if it does.
        """
        first = self._load_one(index, epoch, size)
        if isinstance(first, Sample) or not self.is_training:
            return first
        for step in range(1, _SUBSTITUTES + 1):
            substitute = self.usable[(index + step * 7919) % len(self.usable)]
            outcome = self._load_one(substitute, epoch, size)
            if isinstance(outcome, Sample):
                outcome.replaced = first
                return outcome
        return first

    def _load_one(self, index: int, epoch: int, size: Size | None) -> Sample | Failure:
        rng = np.random.default_rng([self.seed, epoch, index])
        draw = Draw(rng, lambda: self._other_sample(rng, epoch), size, epoch)
        name = f"sample {index}"
        try:
            sample = self.source.read(index, epoch)
            name = sample.name
            for transform in self.transforms:
                sample = transform(sample, draw)
        except OF_ONE_SAMPLE as error:
            return Failure.of(name, error)
        return sample

    def _other_sample(self, rng: np.random.Generator, epoch: int) -> Sample:
        for attempt in range(_OTHER_SAMPLE_TRIES):
            index = self.usable[int(rng.integers(len(self.usable)))]
            draw = Draw(rng, lambda: self._other_sample(rng, epoch), epoch=epoch)
            try:
                sample = self.source.read(index, epoch)
                for transform in self.transforms[: self.ext_op_transform_idx]:
                    sample = transform(sample, draw)
            except OF_ONE_SAMPLE:
                if attempt == _OTHER_SAMPLE_TRIES - 1:
                    raise
                continue
            return sample
        raise AssertionError("the loop returns or raises")
