"""What becomes of the samples of a data set, found before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from tqdm import tqdm

from runtime.cpu import available_cpus
from runtime.errors import DatasetError
from runtime.images.read import read_image
from training.data.sample import OF_ONE_SAMPLE, Failure, SampleSource
from training.data.unreadable import Unreadable

UNREADABLE = "unreadable"
EXAMPLES = 3
"""How many examples of each reason are shown."""
_SHOWN_RANGES = 8
_AT_A_TIME = 1024


@dataclass(frozen=True)
class Looked:
    """What was seen of an image.

    Args:
        ratio: width over height.
        num_bytes: of the file where the image was decoded, else 0.
        size: height and width in px where the image was decoded, else None.
    """

    ratio: float
    num_bytes: int = 0
    size: tuple[int, int] | None = None


@dataclass
class Inspection:
    """The samples of a data set and what becomes of them.

    Args:
        name: `Train` or `Eval`.
        kept: indices that are used.
        dropped: reason -> indices.
        examples: reason -> some labels or files.
        num_tried: samples whose label can be used, so that their image was looked at.
        num_decoded: of these, samples whose image was decoded; of the others the header was read.
        undecodable: the failures among those that were decoded.
        notes: further remarks, one line each.
        sha256: hash of what is kept.
    """

    unit: ClassVar[str] = "samples"
    """What the samples are, for the text."""

    name: str
    kept: list[int] = field(default_factory=list)
    dropped: dict[str, list[int]] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    num_tried: int = 0
    num_decoded: int = 0
    undecodable: Unreadable = field(default_factory=Unreadable)
    notes: list[str] = field(default_factory=list)
    sha256: str = ""

    def drop(self, index: int, reason: str, example: str) -> None:
        """Count one sample as dropped."""
        self.dropped.setdefault(reason, []).append(index)
        if len(self.examples.setdefault(reason, [])) < EXAMPLES:
            self.examples[reason].append(example)

    def drop_malformed(self, rows: Sequence[str]) -> None:
        """Count the rows of label files that have no path and label."""
        if rows:
            self.dropped["malformed"] = [-1] * len(rows)
            self.examples["malformed"] = list(rows[:EXAMPLES])

    def lines(self) -> list[str]:
        """Return the report as text."""
        num_dropped = sum(map(len, self.dropped.values()))
        text = [f"{self.name}: {len(self.kept)} {self.unit} kept, {num_dropped} dropped"]
        for reason, indices in self.dropped.items():
            text.append(f"  {len(indices)} {reason}, e.g. {'; '.join(self.examples[reason])}")
        if 0 < self.num_decoded < self.num_tried:
            undecodable = self.undecodable
            found = f": {undecodable.describe(self.num_decoded)}" if undecodable.count else ""
            text.append(
                f"  {self.num_decoded} of {self.num_tried} images decoded, evenly spread; of the "
                f"others the header was read{found}"
            )
        return text + [f"  {note}" for note in self.notes]

    def refuse_unreadable(self, share: float) -> None:
        """Refuse a set of which more than `share` (0 .. 1) of the images cannot be read.

        Decoded images are judged by themselves too: they are all there are, or a sample of them.

        Raises:
            DatasetError: naming some of the images.
        """
        all_found = Unreadable(
            len(self.dropped.get(UNREADABLE, ())), self.examples.get(UNREADABLE, [])
        )
        all_found.refuse_above(share, self.num_tried, self.name)
        rest = "; those that were decoded stand for the rest"
        self.undecodable.refuse_above(share, self.num_decoded, self.name, rest)

    def refuse_nothing_kept(self) -> None:
        """Refuse a set of which nothing can be used; raises DatasetError with the whole report."""
        if not self.kept:
            end = f"{self.name}: no {self.unit.removesuffix('s')} can be used"
            raise DatasetError("\n".join([*self.lines(), end]))

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a log."""
        return {
            "name": self.name,
            "kept": len(self.kept),
            "dropped": {reason: len(indices) for reason, indices in self.dropped.items()},
        }


def histogram(counts: Counter[int]) -> str:
    """Write out a few values one by one, many as eight even ranges: `32-160: 812, ...`."""
    if len(counts) <= _SHOWN_RANGES:
        return ", ".join(f"{value}: {counts[value]}" for value in sorted(counts))
    low, high = min(counts), max(counts)
    step = max(1, -(-(high - low + 1) // _SHOWN_RANGES))
    ranges: Counter[int] = Counter()
    for value, count in counts.items():
        ranges[(value - low) // step] += count
    shown = []
    for number in sorted(ranges):
        start = low + number * step
        stop = min(start + step - 1, high)
        label = f"{start}" if start == stop else f"{start}-{stop}"
        shown.append(f"{label}: {ranges[number]}")
    return ", ".join(shown)


def evenly_spread(indices: Sequence[int], most: int, spread: int) -> list[int]:
    """Return all of up to `most` indices, or `spread` of more, evenly spread."""
    count = len(indices) if len(indices) <= most else spread
    places = np.linspace(0, len(indices) - 1, count).round().astype(int).tolist()
    return [indices[place] for place in places]


def inspect_images(
    inspection: Inspection,
    source: SampleSource,
    indices: Sequence[int],
    decoded: Collection[int],
    has_files: bool = True,
) -> dict[int, Looked]:
    """Look at the images of samples; drop those that cannot be read.

    Args:
        inspection: unreadable images are added to it.
        source: the samples.
        indices: of the samples to look at.
        decoded: those whose image is decoded; of the others the header alone is read.
        has_files: whether threads help, as decoding leaves Python's lock; rendering does not.

    Returns:
        What was seen, by index, in the order of `indices`.
    """
    inspection.num_decoded = len(decoded)

    def look(index: int) -> Looked | Failure:
        name = f"{inspection.unit.removesuffix('s')} {index}"
        try:
            if index not in decoded:
                return Looked(source.ratio(index, 0))
            sample = source.read(index, 0)
            name = sample.name
            height, width = read_image(sample.image).shape[:2]
            return Looked(width / height, len(sample.image), (height, width))
        except OF_ONE_SAMPLE as error:
            return Failure.of(name, error)

    found: dict[int, Looked] = {}
    with ThreadPoolExecutor(max(1, int(available_cpus())) if has_files else 1) as threads:
        outcomes = _map_in_order(threads, look, indices)
        progress = tqdm(outcomes, f"{inspection.name} data", len(indices), leave=False, delay=2)
        for index, outcome in zip(indices, progress, strict=True):
            if not isinstance(outcome, Failure):
                found[index] = outcome
                continue
            inspection.drop(index, UNREADABLE, str(outcome))
            if index in decoded:
                inspection.undecodable.add(outcome)
    return found


def _map_in_order(
    threads: ThreadPoolExecutor,
    look: Callable[[int], Looked | Failure],
    indices: Sequence[int],
) -> Iterator[Looked | Failure]:
    """Look at every index in threads; yield in order, a bounded number waiting at a time."""
    for start in range(0, len(indices), _AT_A_TIME):
        yield from threads.map(look, indices[start : start + _AT_A_TIME])
