"""MultiScaleSampler: training batches of several heights, in two ways of cutting an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.planned import PlannedBatch, Size
from training.registry import Registry

_WINDOW_BATCHES = 64
Ratios = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """A size of images, and how many of them share a batch.

    Args:
        size: in px.
        batch_size: N of one process.
    """

    size: Size
    batch_size: int


class MultiScaleSampler:
    """Batches whose height is one of several; lower images come in larger batches.

    It takes the place of the loader's `batch_size_per_card`, `shuffle` and `drop_last`: the scales
    take turns until every sample has been used, the order of the batches is drawn, and the last
    ones are filled up with samples of the beginning. So an epoch has equally many batches every
    time, each of them full.

    Args:
        scales: [width, height] of each scale in px, or a single number for both; the first is the
            base.
        first_bs: N at the base scale.
        fix_bs: whether N is `first_bs` at every scale; else N times the area of the scale stays
            about that of the base, and so does the memory.
        divided_factor: [width, height]; the scales are rounded down to multiples of these.
        is_training: else the base scale alone, in the given order.
        max_w: px; with `ds_width` the largest width of a batch, before the ratio is rounded.

    Source: PaddleOCR `multi_scale_sampler`.
    """

    def __init__(
        self,
        scales: Sequence[Sequence[int]] | Sequence[int],
        first_bs: int = 128,
        fix_bs: bool = True,
        divided_factor: Sequence[int] = (8, 16),
        is_training: bool = True,
        max_w: float = 480.0,
    ) -> None:
        sides = _as_sides(scales)
        (base_width, base_height), *_ = sides
        self.is_training = is_training
        self.max_w = max_w
        if not is_training:
            self.scales: tuple[Scale, ...] = (Scale(Size(base_height, base_width), first_bs),)
            return
        base_area = base_width * base_height * first_bs
        rounded = [_rounded_down(side, divided_factor) for side in sides]
        self.scales = tuple(
            Scale(
                Size(height, width),
                first_bs if fix_bs else int(max(1, base_area / (width * height))),
            )
            for width, height in rounded
        )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report scales and numbers that no batch can have."""
        problems = []
        scales, factor = options["scales"], options.get("divided_factor", (8, 16))
        if len(factor) != 2 or min(factor) < 1:
            problems.append(
                ("divided_factor", f"expected [width, height], each at least 1, got {factor!r}")
            )
        elif not scales or any(len(side) != 2 for side in scales if not isinstance(side, int)):
            problems.append(("scales", f"expected [width, height] of each, got {scales!r}"))
        elif min(min(_rounded_down(side, factor)) for side in _as_sides(scales)) < 1:
            message = f"expected at least {list(factor)} px, the divided_factor, got {scales!r}"
            problems.append(("scales", message))
        least = {"first_bs": 1, "max_w": 1}
        problems += [
            (key, f"expected at least {smallest}, got {options[key]}")
            for key, smallest in least.items()
            if options.get(key, smallest) < smallest
        ]
        return problems

    @property
    def heights(self) -> tuple[int, ...]:
        """The height of each scale in px."""
        return tuple(scale.size.height for scale in self.scales)

    def plan_by_width(
        self, indices: Sequence[int], ratios: Ratios, seed: int, epoch: int, num_processes: int = 1
    ) -> list[PlannedBatch]:
        """Cut an epoch into batches of lines of similar shape, mixed anew every epoch.

        A pure function of its arguments. A batch holds no more samples than there are.

        Args:
            indices: the samples.
            ratios: width over height of each.
            seed: of the run.
            epoch: from 0.
            num_processes: that share every batch evenly.
        """
        most = max(1, len(indices) // num_processes)
        sizes = [min(scale.batch_size, most) * num_processes for scale in self.scales]
        turns = self._turns(len(indices), sizes)
        order = np.arange(len(indices))
        rng = np.random.default_rng([seed, epoch])
        if self.is_training:
            order = rng.permutation(order)
            turns = [turns[place] for place in rng.permutation(len(turns))]
        order = np.resize(order, sum(sizes[turn] for turn in turns))
        if self.is_training:
            window = _WINDOW_BATCHES * sizes[0]
            by_ratio = np.asarray(ratios)
            parts = np.split(order, range(window, len(order), window))
            order = np.concatenate(
                [part[np.argsort(by_ratio[part], kind="stable")] for part in parts]
            )
        starts = np.cumsum([0, *(sizes[turn] for turn in turns)])
        batches = [
            _batch(indices, order[start : start + sizes[turn]], self.scales[turn].size)
            for start, turn in zip(starts, turns, strict=False)
        ]
        if self.is_training:
            batches = [batches[place] for place in rng.permutation(len(batches))]
        return batches

    def plan_as_paddleocr(
        self,
        indices: Sequence[int],
        ratios: Ratios,
        seed: int,
        epoch: int,
        num_processes: int = 1,
        ds_width: bool = False,
    ) -> list[PlannedBatch]:
        """Cut an epoch as PaddleOCR does: every epoch has the same batches in another order.

        With `ds_width` the samples are sorted by their shape, and a batch is as wide as its height
        times the mean ratio, rounded, 1 at least. Arguments otherwise as `plan_by_width`.
        """
        own = len(indices) // num_processes
        turns = self._turns(own, [scale.batch_size for scale in self.scales])
        rng = np.random.default_rng([seed])
        order = np.arange(len(indices))
        if ds_width:
            order = np.argsort(np.asarray(ratios), kind="stable")
        elif self.is_training:
            order = rng.permutation(order)
        batches = []
        start = 0
        for turn in rng.permutation(turns).tolist():
            scale = self.scales[turn]
            stop = min(start + scale.batch_size, own)
            chosen = order[start * num_processes : stop * num_processes]
            lacking = scale.batch_size * num_processes - len(chosen)
            chosen = np.concatenate([chosen, order[: min(lacking, own * num_processes)]])
            size = scale.size
            if ds_width:
                mean = float(np.mean(np.asarray(ratios)[chosen]))
                size = self._size_of(mean, size.height)
            batches.append(_batch(indices, chosen, size))
            start += scale.batch_size
        of_epoch = np.random.default_rng([seed, epoch]).permutation(len(batches))
        return [batches[place] for place in of_epoch]

    def _size_of(self, ratio: float, height: int) -> Size:
        """Return the size of a batch whose samples have this mean ratio of width over height."""
        ratio = ratio if ratio * height < self.max_w else self.max_w / height
        return Size(height, height * max(1, round(ratio)))

    def _turns(self, num_samples: int, sizes: Sequence[int]) -> list[int]:
        """Return the number of the scale of every batch: whole rounds until all are used."""
        rounds = -(-num_samples // sum(sizes))
        return list(range(len(sizes))) * rounds


def _as_sides(scales: Sequence[Sequence[int]] | Sequence[int]) -> list[tuple[int, int]]:
    """Return (width, height) of each scale."""
    return [(scale, scale) if isinstance(scale, int) else (scale[0], scale[1]) for scale in scales]


def _rounded_down(sides: tuple[int, int], factor: Sequence[int]) -> tuple[int, int]:
    return sides[0] // factor[0] * factor[0], sides[1] // factor[1] * factor[1]


def _batch(indices: Sequence[int], places: NDArray[np.int64], size: Size) -> PlannedBatch:
    return PlannedBatch(tuple(indices[place] for place in places.tolist()), size)


SAMPLERS = Registry(
    "sampler",
    {"MultiScaleSampler": MultiScaleSampler},
    unused=frozenset({"ratio_wh", "seed"}),
)
