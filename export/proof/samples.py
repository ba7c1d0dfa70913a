"""The images that forms are compared on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from runtime.errors import OcrError, ParityError
from runtime.images.read import find_images, read_image

T = TypeVar("T")

log = logging.getLogger("export")


class Batch(Protocol):
    """Samples of one size, as the runtime batches them."""

    @property
    def positions(self) -> tuple[int, ...]:
        """Numbers of the samples among all."""

    @property
    def inputs(self) -> NDArray[np.float32]:
        """What a network is fed, [N, C, H, W]."""


class Samples(Protocol):
    """Images made ready once, as the runtime does it."""

    @property
    def images(self) -> Sequence[NDArray[np.uint8]]:
        """They as they were read, BGR uint8 [h, w, 3]."""

    @property
    def samples_from(self) -> str:
        """What they are, for reports."""

    def __len__(self) -> int:
        """Return how many samples there are."""

    def batches(self, most: int | None = None) -> Iterator[Batch]:
        """Batch the samples of equal size.

        Args:
            most: N at most; as memory allows when None.
        """

    def subset(self, numbers: Sequence[int]) -> Samples:
        """Take only the samples of these numbers, in their order."""


def batches_shown(samples: Samples, what: str) -> Iterator[Batch]:
    """Yield the batches of samples, with the time left on a terminal.

    Args:
        samples: all are batched.
        what: is done with them, for the bar.
    """
    bar = tqdm(total=len(samples), desc=what, unit="image", leave=False, delay=2, disable=None)
    with bar:
        for batch in samples.batches():
            yield batch
            bar.update(len(batch.positions))


def readable_images(
    paths: Sequence[str | Path], most: int | None = None
) -> tuple[Mapping[str, NDArray[np.uint8]], int]:
    """Read images; return those that can be read, by their paths, and how many cannot.

    Args:
        paths: files, folders and patterns.
        most: of the files that are opened, from the whole of them; all when None.

    Raises:
        ParityError: if none can.
    """
    images: dict[str, NDArray[np.uint8]] = {}
    num_unreadable = 0
    for path in evenly_spaced(list(find_images(paths)), most):
        try:
            images[path] = read_image(path)
        except OcrError as error:  # a broken image says nothing about the network
            log.warning("left out: %s", error)
            num_unreadable += 1
    if not images:
        raise ParityError(
            f"no readable image in {', '.join(map(str, paths))}: expected images to compare on; "
            "check --images"
        )
    return images, num_unreadable


def evenly_spaced(items: Sequence[T], most: int | None) -> list[T]:
    """Return at most `most` of the items, from the whole of them, in order; all when None."""
    if most is None:
        return list(items)
    step = max(1.0, len(items) / max(1, most))
    return [items[int(number * step)] for number in range(min(len(items), most))]
