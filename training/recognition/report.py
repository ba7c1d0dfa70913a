"""Reports which lines of a data set are kept and which are dropped, before training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from runtime.errors import DatasetError, OcrError
from runtime.recognition.charset import Charset
from runtime.recognition.spec import WidthPolicy
from training.data.inspection import (
    UNREADABLE,
    Inspection,
    evenly_spread,
    histogram,
    inspect_images,
)
from training.data.sample import SampleSource
from training.recognition.batches import planned_width
from training.recognition.labels import LabelEncode

_LABEL_OF_A_PAGE = '[{"transcription"'
_SHOWN_CHARACTERS = 40
MOST_DECODED = 20_000
"""Larger sets are judged by `NUM_SPREAD` of their images: a share of 10 % to within 1 %."""
NUM_SPREAD = 5_000


@dataclass
class DataReport(Inspection):
    """Lines of a data set and what becomes of them.

    Args:
        ratios: width over height of each kept line.
        widths: input width in px -> lines.
        lengths: characters in a label -> lines.
        unknown: character -> lines that hold it although no class stands for it.
        unseen: characters of the charset that no kept line holds.
    """

    unit: ClassVar[str] = "lines"

    ratios: dict[int, float] = field(default_factory=dict)
    widths: Counter[int] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unseen: str = ""

    def lines(self) -> list[str]:
        """Return the report as text."""
        text = super().lines()
        if self.unknown:
            shown = ", ".join(
                f"{character!r} in {count}" for character, count in self.unknown.most_common(12)
            )
            text.append(f"  characters without a class: {shown}")
        if self.widths:
            text.append(f"  input width px: {histogram(self.widths)}")
        if self.lengths:
            text.append(f"  characters a line: {histogram(self.lengths)}")
        if self.unseen:
            shown = self.unseen[:_SHOWN_CHARACTERS]
            rest = len(self.unseen) - len(shown)
            text.append(f"  never seen: {shown!r}" + (f" and {rest} more" if rest else ""))
        return text

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a log."""
        return {
            **super().as_json(),
            "unknown_characters": dict(self.unknown),
            "unseen_characters": self.unseen,
        }


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
        DatasetError: if no line can be used, or they are pages.
    """
    report = DataReport(name, notes=list(notes))
    report.drop_malformed(malformed)
    total = len(source) if looked_at is None else min(looked_at, len(source))
    texts = _usable_texts(report, source, range(total), charset, encode)
    report.num_tried = len(texts) + len(report.dropped.get(UNREADABLE, ()))
    is_rendered = looked_at is not None
    # Rendered lines have no files, and are not decoded.
    decoded = [] if is_rendered else evenly_spread(list(texts), MOST_DECODED, NUM_SPREAD)
    inspected = inspect_images(report, source, list(texts), set(decoded), not is_rendered)
    report.kept = list(inspected)
    report.ratios = {index: looked.ratio for index, looked in inspected.items()}
    seen: set[str] = set()
    digest = hashlib.sha256(f"{len(source)}\n".encode())
    for index, looked in inspected.items():
        line = f"{index} {looked.ratio!r} {looked.num_bytes} {texts[index]}\n"
        digest.update(line.encode(errors="surrogatepass"))
        seen.update(texts[index])
        report.lengths[len(texts[index])] += 1
        report.widths[planned_width(looked.ratio, height, width_policy)] += 1
    report.sha256 = digest.hexdigest()
    if total == len(source):
        report.unseen = "".join(sorted(set(charset.characters) - seen))
    report.refuse_nothing_kept()
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
        if text.startswith(_LABEL_OF_A_PAGE):
            raise DatasetError(
                f"{report.name}: the labels are those of text detection: expected text, got boxes; "
                "cut the lines out of their pages first, or train a detector with "
                "Architecture.model_type det"
            )
        reason = encode.reason_to_drop(text)
        if reason is None:
            texts[index] = text
        else:
            report.unknown.update(charset.unknown(text))
            report.drop(index, reason, repr(text))
    return texts
