"""Plans which lines share a batch, and pads them to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtime.batching import batches_by_width
from runtime.errors import ConfigError
from runtime.recognition.preprocess import batch_from_lines
from runtime.recognition.spec import WidthPolicy
from training.data.planned import PlannedBatch, Size
from training.data.sample import Sample
from training.data.sampler import MultiScaleSampler
from training.recognition.inputs import InputWidths
from training.recognition.labels import ctc_label, padded_labels
from training.recognition.teacher.readings import LineReadings
from training.task import Batch, stacked

if TYPE_CHECKING:
    from training.data.build import LoaderOptions
    from training.data.dataset import SampleDataset
    from training.loop.parallel import Group
    from training.network import Network

_WINDOW_BATCHES = 64
_PROBED_WIDTH_PX = 64


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
    """Return the input width in px of a line that is `ratio` times as wide as high."""
    content_width = width_policy.content_width(1000, max(1, round(1000 * ratio)), height)
    return width_policy.input_width(content_width)


def width_for_label(label: Sequence[int], time_stride_px: int) -> int:
    """Return the least input width in px for CTC to spell `label`: repeats need a blank."""
    repeats = sum(first == second for first, second in pairwise(label))
    return (len(label) + repeats) * time_stride_px


def batch_width(samples: Sequence[Sample], width_policy: WidthPolicy, time_stride_px: int) -> int:
    """Return the input width in px that suits the widest line and the longest label.

    Where the policy knows one width alone, that is the width, as in PaddleOCR; CTC learns nothing
    from a label that has no room in it.

    Args:
        samples: images uint8 [H, w, 3] with labels.
        width_policy: of the training images.
        time_stride_px: px of input width per time step.
    """
    width = width_policy.input_width(max(sample.image.shape[1] for sample in samples))
    labels = [ctc_label(sample.values) for sample in samples]
    needed = max(width_for_label(label, time_stride_px) for label in labels)
    if needed <= width or width_policy.min_px == width_policy.max_px:
        return width
    return -(-needed // width_policy.step_px) * width_policy.step_px


def label_counts(labels: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """Count each class in each label, padding included as class 0: int64 [N, L] to [N, K]."""
    return np.stack([np.bincount(row, minlength=num_classes) for row in labels])


@dataclass(frozen=True)
class LineBatching:
    """Lines of similar width share a training batch, lines of one width an evaluation batch.

    Args:
        dataset: the lines.
        ratios: width over height of lines whose files have been looked at already.
        width_policy: input width from the image, where no batch has a size of its own.
        height: H in px; of several scales the largest.
        loader: batch size, order, and whether a last incomplete batch is left out.
        keep_keys: the arrays that a batch hands to the loss.
        num_classes: K, for `label_ace`.
        time_stride_px: px of input width per time step; known once there is a network.
        label_length: L of `label_ctc`.
        sampler: plans training batches of several scales; None for those of one.
    """

    dataset: SampleDataset
    ratios: Mapping[int, float]
    width_policy: WidthPolicy
    height: int
    loader: LoaderOptions
    keep_keys: tuple[str, ...]
    num_classes: int
    time_stride_px: int = 1
    label_length: int | None = None
    sampler: MultiScaleSampler | None = None

    def fitted_to(self, network: Network) -> LineBatching:
        """Return the batching whose widths leave a network time steps enough for every label."""
        width = max(_PROBED_WIDTH_PX, self.width_policy.min_px)
        return replace(self, time_stride_px=time_stride_px(network, self.height, width))

    def plan(self, epoch: int, num_processes: int = 1) -> list[PlannedBatch]:
        """Return the training batches of an epoch: a pure function of the seed."""
        indices = self.dataset.indices(epoch)
        ratios = [self._ratio(index, epoch) for index in indices]
        if self.sampler is not None:
            of_epoch = (indices, ratios, self.dataset.seed, epoch, num_processes)
            if self.loader.width_step:
                return self.sampler.plan_by_width(*of_epoch)
            follows_lines = getattr(self.dataset.source, "ds_width", False)
            return self.sampler.plan_as_paddleocr(*of_epoch, ds_width=follows_lines)
        widths = [planned_width(ratio, self.height, self.width_policy) for ratio in ratios]
        seed = [self.dataset.seed, epoch]
        rng = np.random.default_rng(seed) if self.loader.shuffle else None
        batch_size = self.loader.batch_size_per_card * num_processes
        batches = plan_batches(indices, widths, batch_size, rng, self.loader.drop_last)
        return [PlannedBatch(tuple(batch)) for batch in batches]

    def training_batch(
        self, samples: Sequence[Sample], group: Group, size: Size | None = None
    ) -> Batch:
        """Pad lines, uint8 [H, w, 3], to the width that suits the widest and the longest label.

        Args:
            samples: of one planned batch, or this process's share of it.
            group: the processes.
            size: of the planned batch.
        """
        policy = self.width_policy
        if size is not None:
            policy = InputWidths(self.loader.width_step, self.loader.max_width).policy(size.width)
        width = batch_width(samples, policy, self.time_stride_px)
        return self.collate(samples, group.largest(width))

    def evaluation_batches(self, samples: Iterable[Sample]) -> Iterator[Batch]:
        """Yield batches of lines of one width, which follows from each line alone."""
        lines = (
            (self.width_policy.input_width(sample.image.shape[1]), sample) for sample in samples
        )
        for batch in batches_by_width(lines, self.loader.batch_size_per_card):
            yield self.collate(batch.lines, batch.width)

    def collate(self, samples: Sequence[Sample], width: int) -> Batch:
        """Pad lines (uint8 [H, w, 3], w <= `width` px) and labels to a batch.

        Returns:
            What `keep_keys` names of `image` float32 [N, 3, H, W]; `label` int64 [N, L] padded
            with 0 to the longest, or `label_ctc` to `max_text_length`; `label_sar` and `label_gtc`
            as they were encoded; `length` int64 [N], that of the CTC label; `valid_ratio` float32
            [N], the share of the width that the line fills; `label_ace` int64 [N, K].
        """
        labels = [ctc_label(sample.values) for sample in samples]
        padded = padded_labels(labels, self.label_length)
        arrays: dict[str, NDArray[Any]] = {
            "image": batch_from_lines([sample.image for sample in samples], width),
            "label": padded,
            "label_ctc": padded,
            "length": np.array(list(map(len, labels)), np.int64),
            "valid_ratio": np.array(
                [sample.image.shape[1] / width for sample in samples], np.float32
            ),
        }
        if "label_ace" in self.keep_keys:
            arrays["label_ace"] = label_counts(padded, self.num_classes)
        missing = [key for key in self.keep_keys if key not in arrays]
        arrays |= stacked(samples, missing)
        names = tuple(sample.name for sample in samples)
        kept = {key: arrays[key] for key in self.keep_keys}
        return Batch(names, kept, self._readings(samples, width))

    def _readings(self, samples: Sequence[Sample], width: int) -> dict[str, LineReadings]:
        """Put what teachers read side by side, by their names."""
        labels = tuple(sample.text for sample in samples)
        shares = tuple(sample.image.shape[1] / width for sample in samples)
        return {
            name: LineReadings(
                tuple(sample.readings[name] for sample in samples),
                self.num_classes,
                shares,
                width // self.time_stride_px,
                labels,
            )
            for name in samples[0].readings
        }

    def _ratio(self, index: int, epoch: int) -> float:
        known = self.ratios.get(index)
        return self.dataset.source.ratio(index, epoch) if known is None else known


def time_stride_px(network: Network, height: int, width: int = _PROBED_WIDTH_PX) -> int:
    """Return the px of input width per time step, found by running one blank image."""
    import paddle  # not in the processes that load data

    was_training = network.training
    network.eval()
    with paddle.no_grad():
        steps = network.deployed(paddle.zeros([1, 3, height, width])).shape[1]
    if was_training:
        network.train()
    if steps == 0:
        raise ConfigError(f"the network leaves no time step of {width} px; use smaller strides")
    return width // int(steps)
