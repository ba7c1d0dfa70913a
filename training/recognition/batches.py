"""Which lines share a training batch, and the batch they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.recognition.preprocess import batch_from_lines
from runtime.recognition.spec import WidthPolicy
from training.data.sample import Sample

_WINDOW_BATCHES = 64


@dataclass(frozen=True)
class TrainingBatch:
    """Lines side by side, as the network and the losses take them.

    Args:
        images: float32 [N, 3, H, W].
        labels: class indices padded with 0, int64 [N, L].
        lengths: characters of each label, int64 [N].
        valid_ratio: share of W that each line fills, float32 [N].
        names: where each line came from.
        texts: the labels as text.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    lengths: NDArray[np.int64]
    valid_ratio: NDArray[np.float32]
    names: tuple[str, ...]
    texts: tuple[str, ...]

    def label_ace(self, num_classes: int) -> NDArray[np.int64]:
        """How often each class stands in each label, padding included as class 0: int64 [N, K]."""
        return np.stack([np.bincount(row, minlength=num_classes) for row in self.labels])

    def arrays(self, keep_keys: Sequence[str], num_classes: int) -> list[NDArray[Any]]:
        """The arrays that `KeepKeys` names, in its order.

        Args:
            keep_keys: of `transforms.KEEPABLE`.
            num_classes: K.
        """
        arrays: dict[str, NDArray[Any]] = {
            "image": self.images,
            "label": self.labels,
            "length": self.lengths,
            "valid_ratio": self.valid_ratio,
        }
        if "label_ace" in keep_keys:
            arrays["label_ace"] = self.label_ace(num_classes)
        return [arrays[key] for key in keep_keys]


def plan_batches(
    indices: Sequence[int],
    widths: Sequence[int],
    batch_size: int,
    rng: np.random.Generator | None,
    drop_last: bool,
) -> list[list[int]]:
    """Cut an epoch into batches of lines of similar width.

    With `rng` the order is shuffled, sorted by width within windows of some batches, and the
    batches are shuffled again: short words cost little, and every epoch mixes anew.

    Args:
        indices: the lines.
        widths: input width in px of each.
        batch_size: N.
        rng: generator of this epoch; None keeps the given order.
        drop_last: leave out a last incomplete batch, unless it is the only one.

    Returns:
        Indices of each batch.
    """
    order = np.arange(len(indices))
    if rng is not None:
        order = rng.permutation(order)
        window = _WINDOW_BATCHES * batch_size
        by_width = np.asarray(widths)
        order = np.concatenate(
            [
                part[np.argsort(by_width[part], kind="stable")]
                for part in np.split(order, range(window, len(order), window))
            ]
        )
    batches = [
        [indices[position] for position in order[start : start + batch_size]]
        for start in range(0, len(order), batch_size)
    ]
    if drop_last and len(batches) > 1 and len(batches[-1]) < batch_size:
        batches.pop()
    if rng is not None:
        batches = [batches[position] for position in rng.permutation(len(batches))]
    return batches


def planned_width(ratio: float, height: int, width_policy: WidthPolicy) -> int:
    """Input width in px of a line that is `ratio` times as wide as high."""
    content_width = width_policy.content_width(1000, max(1, round(1000 * ratio)), height)
    return width_policy.input_width(content_width)


def width_for_label(label: Sequence[int], time_stride_px: int) -> int:
    """Least input width in px at which CTC can spell `label`: repeats need a blank between."""
    repeats = sum(first == second for first, second in pairwise(label))
    return (len(label) + repeats) * time_stride_px


def batch_width(samples: Sequence[Sample], width_policy: WidthPolicy, time_stride_px: int) -> int:
    """Input width in px that suits the widest line and the longest label.

    Args:
        samples: images uint8 [H, w, 3] with labels.
        width_policy: of the training images.
        time_stride_px: px of input width per time step.
    """
    width = width_policy.input_width(max(sample.image.shape[1] for sample in samples))
    needed = max(width_for_label(sample.label, time_stride_px) for sample in samples)
    if needed <= width:
        return width
    return -(-needed // width_policy.step_px) * width_policy.step_px


def padded_labels(samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Labels padded with 0 to the longest: int64 [N, L]."""
    labels = np.zeros((len(samples), max(len(sample.label) for sample in samples)), np.int64)
    for row, sample in zip(labels, samples, strict=True):
        row[: len(sample.label)] = sample.label
    return labels


def collate(samples: Sequence[Sample], width: int) -> TrainingBatch:
    """Pad lines (uint8 [H, w, 3], w <= `width` px) and labels to a batch."""
    return TrainingBatch(
        images=batch_from_lines([sample.image for sample in samples], width),
        labels=padded_labels(samples),
        lengths=np.array([len(sample.label) for sample in samples], np.int64),
        valid_ratio=np.array([one.image.shape[1] / width for one in samples], np.float32),
        names=tuple(sample.name for sample in samples),
        texts=tuple(sample.text for sample in samples),
    )
