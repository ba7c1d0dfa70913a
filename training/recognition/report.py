"""Reports which lines of a data set are kept and which are dropped, before training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from runtime.cpu import available_cpus
from runtime.errors import DatasetError, OcrError
from runtime.images.read import read_image
from runtime.recognition.charset import Charset
from runtime.recognition.spec import WidthPolicy
from training.data.sample import OF_ONE_SAMPLE, Failure, SampleSource
from training.data.unreadable import Unreadable
from training.recognition.batches import planned_width
from training.recognition.labels import LabelEncode

_EXAMPLES = 3
_SHOWN_CHARACTERS = 40
_SHOWN_RANGES = 8
UNREADABLE = "unreadable"
MOST_DECODED = 20_000
"""Larger sets are judged by `NUM_SPREAD` of their images: a share of 10 % to within 1 %."""
NUM_SPREAD = 5_000
_AT_A_TIME = 1024
_Inspected = tuple[float, int]
"""Width over height, and bytes of the file where the image was decoded."""


@dataclass
class DataReport:
    """Lines of a data set and what becomes of them.

    Args:
        name: `Train` or `Eval`.
        kept: indices that are used.
        ratios: width over height of each kept line.
        dropped: reason -> indices.
        examples: reason -> some labels or files.
        widths: input width in px -> lines.
        lengths: characters in a label -> lines.
        unknown: character -> lines that hold it although no class stands for it.
        unseen: characters of the charset that no kept line holds.
        num_tried: lines whose label can be used, so that their image was looked at.
        num_decoded: of these, lines whose image was decoded; of the others the header was read.
        undecodable: the failures among those that were decoded.
        notes: further remarks, one line each.
        sha256: hash of the kept lines: place, label, ratio, bytes of the images that were decoded.
    """

    name: str
    kept: list[int] = field(default_factory=list)
    ratios: dict[int, float] = field(default_factory=dict)
    dropped: dict[str, list[int]] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    widths: Counter[int] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unseen: str = ""
    num_tried: int = 0
    num_decoded: int = 0
    undecodable: Unreadable = field(default_factory=Unreadable)
    notes: list[str] = field(default_factory=list)
    sha256: str = ""

    def drop(self, index: int, reason: str, example: str) -> None:
        """Count one line as dropped."""
        self.dropped.setdefault(reason, []).append(index)
        if len(self.examples.setdefault(reason, [])) < _EXAMPLES:
            self.examples[reason].append(example)

    def lines(self) -> list[str]:
        """Return the report as text."""
        num_dropped = sum(map(len, self.dropped.values()))
        text = [f"{self.name}: {len(self.kept)} lines kept, {num_dropped} dropped"]
        for reason, indices in self.dropped.items():
            text.append(f"  {len(indices)} {reason}, e.g. {'; '.join(self.examples[reason])}")
        if 0 < self.num_decoded < self.num_tried:
            undecodable = self.undecodable
            found = f": {undecodable.describe(self.num_decoded)}" if undecodable.count else ""
            text.append(
                f"  {self.num_decoded} of {self.num_tried} images decoded, evenly spread; of the "
                f"others the header was read{found}"
            )
        text += [f"  {note}" for note in self.notes]
        if self.unknown:
            shown = ", ".join(
                f"{character!r} in {count}" for character, count in self.unknown.most_common(12)
            )
            text.append(f"  characters without a class: {shown}")
        if self.widths:
            text.append(f"  input width px: {_histogram(self.widths)}")
        if self.lengths:
            text.append(f"  characters a line: {_histogram(self.lengths)}")
        if self.unseen:
            shown = self.unseen[:_SHOWN_CHARACTERS]
            rest = len(self.unseen) - len(shown)
            text.append(f"  never seen: {shown!r}" + (f" and {rest} more" if rest else ""))
        return text

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

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a log."""
        return {
            "name": self.name,
            "kept": len(self.kept),
            "dropped": {reason: len(indices) for reason, indices in self.dropped.items()},
            "unknown_characters": dict(self.unknown),
            "unseen_characters": self.unseen,
        }


def _histogram(counts: Counter[int]) -> str:
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


def inspect_source(
    source: SampleSource,
    name: str,
    charset: Charset,
    encode: LabelEncode,
    height: int,
    width_policy: WidthPolicy,
    malformed: Sequence[str] = (),
    notes: Sequence[str] = (),
    looked_at: int | None = None,
) -> DataReport:
    """Check every label of a data set, and decode its images or an evenly spread part of them.

    Which images are decoded depends on the set alone, so that a resumed run keeps the same lines.

    Args:
        source: the lines.
        name: for the report.
        charset: K - 1 characters.
        encode: decides which labels can be used.
        height: H in px.
        width_policy: of these images.
        malformed: lines of label files without path and text.
        notes: remarks of the source on its files.
        looked_at: how many lines to check where all are usable by construction; None for all.

    Raises:
        DatasetError: if no line can be used.
    """
    report = DataReport(name, notes=list(notes))
    if malformed:
        report.dropped["malformed"] = [-1] * len(malformed)
        report.examples["malformed"] = list(malformed[:_EXAMPLES])
    total = len(source) if looked_at is None else min(looked_at, len(source))
    texts = _usable_texts(report, source, range(total), charset, encode)
    report.num_tried = len(texts) + len(report.dropped.get(UNREADABLE, ()))
    is_rendered = looked_at is not None
    inspected = _inspect_images(report, source, list(texts), is_rendered)
    report.kept = list(inspected)
    report.ratios = {index: ratio for index, (ratio, _) in inspected.items()}
    seen: set[str] = set()
    digest = hashlib.sha256(f"{len(source)}\n".encode())
    for index, (ratio, num_bytes) in inspected.items():
        line = f"{index} {ratio!r} {num_bytes} {texts[index]}\n"
        digest.update(line.encode(errors="surrogatepass"))
        seen.update(texts[index])
        report.lengths[len(texts[index])] += 1
        report.widths[planned_width(ratio, height, width_policy)] += 1
    report.sha256 = digest.hexdigest()
    if total == len(source):
        report.unseen = "".join(sorted(set(charset.characters) - seen))
    if not report.kept:
        raise DatasetError("\n".join([*report.lines(), f"{name}: no line can be used"]))
    # Rendered lines beyond those looked at can be used too.
    report.kept.extend(range(total, len(source)))
    return report


def _usable_texts(
    report: DataReport,
    source: SampleSource,
    indices: Sequence[int],
    charset: Charset,
    encode: LabelEncode,
) -> dict[int, str]:
    """Return the labels that can be used by their index; drop the others."""
    texts = {}
    for index in indices:
        try:
            text = charset.label_text(source.text(index, 0))
        except OcrError as error:
            report.drop(index, UNREADABLE, str(error))
            continue
        reason = encode.reason_to_drop(text)
        if reason is None:
            texts[index] = text
        else:
            report.unknown.update(charset.unknown(text))
            report.drop(index, reason, repr(text))
    return texts


def _inspect_images(
    report: DataReport, source: SampleSource, indices: list[int], is_rendered: bool
) -> dict[int, _Inspected]:
    """Inspect the images of lines by index; drop those that cannot be read.

    Rendered lines have no files, and are not decoded.
    """
    num_decoded = len(indices) if len(indices) <= MOST_DECODED else NUM_SPREAD
    spread = np.linspace(0, len(indices) - 1, num_decoded).round().astype(int).tolist()
    decoded = set() if is_rendered else {indices[place] for place in spread}
    report.num_decoded = len(decoded)

    def inspect(index: int) -> _Inspected | Failure:
        name = f"line {index}"
        try:
            if index not in decoded:
                return source.ratio(index, 0), 0
            sample = source.read(index, 0)
            name = sample.name
            height, width = read_image(sample.image).shape[:2]
            return width / height, len(sample.image)
        except OF_ONE_SAMPLE as error:
            return Failure.of(name, error)

    inspected: dict[int, _Inspected] = {}
    # Decoding leaves Python's lock, so that threads help; rendering does not.
    with ThreadPoolExecutor(1 if is_rendered else max(1, int(available_cpus()))) as threads:
        outcomes = _map_in_order(threads, inspect, indices)
        progress = tqdm(outcomes, f"{report.name} data", len(indices), leave=False, delay=2)
        for index, outcome in zip(indices, progress, strict=True):
            if not isinstance(outcome, Failure):
                inspected[index] = outcome
                continue
            report.drop(index, UNREADABLE, str(outcome))
            if index in decoded:
                report.undecodable.add(outcome)
    return inspected


def _map_in_order(
    threads: ThreadPoolExecutor,
    inspect: Callable[[int], _Inspected | Failure],
    indices: Sequence[int],
) -> Iterator[_Inspected | Failure]:
    """Inspect every index in threads; yield in order, a bounded number waiting at a time."""
    for start in range(0, len(indices), _AT_A_TIME):
        yield from threads.map(inspect, indices[start : start + _AT_A_TIME])
