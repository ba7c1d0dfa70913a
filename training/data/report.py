"""What a data set holds, before a step is trained on it: kept, dropped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from runtime.charset import Charset
from runtime.errors import DatasetError, OcrError
from runtime.spec import WidthPolicy
from training.data.batches import planned_width
from training.data.sample import LineSource
from training.data.transforms import CTCLabelEncode

_EXAMPLES = 3
_SHOWN_CHARACTERS = 40
_SHOWN_RANGES = 8


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

    def drop(self, index: int, reason: str, example: str) -> None:
        """Count one line as dropped."""
        self.dropped.setdefault(reason, []).append(index)
        if len(self.examples.setdefault(reason, [])) < _EXAMPLES:
            self.examples[reason].append(example)

    def lines(self) -> list[str]:
        """The report as text."""
        num_dropped = sum(map(len, self.dropped.values()))
        text = [f"{self.name}: {len(self.kept)} lines kept, {num_dropped} dropped"]
        for reason, indices in self.dropped.items():
            text.append(f"  {len(indices)} {reason}, e.g. {'; '.join(self.examples[reason])}")
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

    def as_json(self) -> dict[str, Any]:
        """The figures, for a log."""
        return {
            "name": self.name,
            "kept": len(self.kept),
            "dropped": {reason: len(indices) for reason, indices in self.dropped.items()},
            "unknown_characters": dict(self.unknown),
            "unseen_characters": self.unseen,
        }


def _histogram(counts: Counter[int]) -> str:
    """A few values one by one, many as eight ranges of about equal width: `32-160: 812, ...`."""
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
    source: LineSource,
    name: str,
    charset: Charset,
    encode: CTCLabelEncode,
    height: int,
    width_policy: WidthPolicy,
    malformed: Sequence[str] = (),
    looked_at: int | None = None,
) -> DataReport:
    """Look at every label and every image header of a data set.

    Args:
        source: the lines.
        name: for the report.
        charset: K - 1 characters.
        encode: decides which labels can be used.
        height: H in px.
        width_policy: of these images.
        malformed: lines of label files without path and text.
        looked_at: how many lines to look at, all being usable by construction; None for all.

    Raises:
        DatasetError: if no line can be used.
    """
    report = DataReport(name)
    if malformed:
        report.dropped["malformed"] = [-1] * len(malformed)
        report.examples["malformed"] = list(malformed[:_EXAMPLES])
    seen: set[str] = set()
    total = len(source) if looked_at is None else min(looked_at, len(source))
    for index in tqdm(range(total), f"{name} data", leave=False, delay=2):
        text = source.text(index, 0)
        reason = encode.reason_to_drop(text)
        if reason is not None:
            report.unknown.update(charset.unknown(text))
            report.drop(index, reason, repr(text))
            continue
        try:
            ratio = source.ratio(index, 0)
        except OcrError as error:
            report.drop(index, "unreadable", str(error))
            continue
        report.kept.append(index)
        report.ratios[index] = ratio
        seen.update(text)
        report.lengths[len(text)] += 1
        report.widths[planned_width(ratio, height, width_policy)] += 1
    if total == len(source):
        report.unseen = "".join(sorted(set(charset.characters) - seen))
    if not report.kept:
        raise DatasetError("\n".join([*report.lines(), f"{name}: no line can be used"]))
    report.kept.extend(range(total, len(source)))
    return report
