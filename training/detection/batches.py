"""Plans which pages share a batch, and puts them side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.data.planned import PlannedBatch, Size
from training.data.sample import Sample
from training.detection.teacher.readings import PageReadings
from training.task import Batch, stacked

if TYPE_CHECKING:
    from training.data.build import LoaderOptions
    from training.data.dataset import SampleDataset
    from training.loop.parallel import Group
    from training.network import Network

_OF_ANY_LENGTH = ("polys", "ignore_tags")


def plan_batches(
    indices: Sequence[int],
    batch_size: int,
    rng: np.random.Generator | None,
    drop_last: bool,
    num_processes: int = 1,
) -> list[list[int]]:
    """Cut an epoch into batches.

    A last batch that is kept and that the processes could not share out evenly is filled up with
    the first pages of the epoch, as PaddleOCR does.

    Args:
        indices: the pages.
        batch_size: N, of all processes.
        rng: generator of this epoch; None keeps the given order.
        drop_last: leave out a last incomplete batch, unless it is the only one.
        num_processes: that share every batch.

    Returns:
        Indices of each batch.
    """
    order = np.array(indices, dtype=np.int64)
    if rng is not None:
        order = rng.permutation(order)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if drop_last and len(batches) > 1 and len(batches[-1]) < batch_size:
        batches.pop()
    if batches and (lacking := -len(batches[-1]) % num_processes):
        batches[-1] = np.concatenate([batches[-1], np.resize(order, lacking)])
    return [batch.tolist() for batch in batches]


@dataclass(frozen=True)
class PageBatching:
    """Crops of one size share a training batch, neighbours of one size an evaluation batch.

    Args:
        dataset: the pages.
        loader: batch size, order, and whether a last incomplete batch is left out.
        keep_keys: the arrays that a batch hands to the loss or to the metric.
    """

    dataset: SampleDataset
    loader: LoaderOptions
    keep_keys: tuple[str, ...]

    def fitted_to(self, network: Network) -> PageBatching:
        """Return the batching itself: crops suit every network."""
        return self

    def plan(self, epoch: int, num_processes: int = 1) -> list[PlannedBatch]:
        """Return the training batches of an epoch: a pure function of the seed."""
        rng = np.random.default_rng([self.dataset.seed, epoch]) if self.loader.shuffle else None
        batches = plan_batches(
            self.dataset.indices(epoch),
            self.loader.batch_size_per_card * num_processes,
            rng,
            self.loader.drop_last,
            num_processes,
        )
        return [PlannedBatch(tuple(batch)) for batch in batches]

    def training_batch(
        self, samples: Sequence[Sample], group: Group, size: Size | None = None
    ) -> Batch:
        """Put crops of one size side by side; neither the group nor a size is asked.

        Args:
            samples: of one planned batch, or this process's share of it.
            group: the processes.
            size: of the planned batch.
        """
        return self.collate(samples)

    def evaluation_batches(self, samples: Iterable[Sample]) -> Iterator[Batch]:
        """Yield batches of pages that follow each other and have one size as they are read."""
        most = self.loader.batch_size_per_card
        for _, same in groupby(samples, lambda sample: sample.image.shape):
            pages: list[Sample] = []
            for page in same:
                pages.append(page)
                if len(pages) == most:
                    yield self.collate(pages)
                    pages = []
            if pages:
                yield self.collate(pages)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Put samples side by side.

        Returns:
            What `keep_keys` names: `image` float32 [N, 3, H, W]; in training the four maps float32
            [N, H, W]; in evaluation `shape` float64 [N, 4] and, objects [N] as each page has its
            own number, `polys` and `ignore_tags`.
        """
        arrays: dict[str, NDArray[Any]] = {"image": np.stack([page.image for page in samples])}
        single = [key for key in self.keep_keys if key != "image" and key not in _OF_ANY_LENGTH]
        arrays |= stacked(samples, single)
        for key in _OF_ANY_LENGTH:
            if key in self.keep_keys:
                arrays[key] = np.empty(len(samples), dtype=object)
                for place, page in enumerate(samples):
                    arrays[key][place] = page.values[key]
        names = tuple(page.name for page in samples)
        readings = {
            name: PageReadings(np.stack([page.readings[name] for page in samples]))
            for name in samples[0].readings
        }
        return Batch(names, {key: arrays[key] for key in self.keep_keys}, readings)
