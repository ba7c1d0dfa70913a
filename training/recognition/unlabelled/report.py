"""What became of lines without labels: how many are kept, and why the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.data.inspection import EXAMPLES, UNREADABLE, histogram
from training.recognition.unlabelled.judging import Verdict

_SHOWN_CHARACTERS = 12


@dataclass
class LabellingReport:
    """Lines that a teacher read, and what became of them.

    Args:
        num_images: that were looked at, those that could not be read included.
        num_read: lines in them.
        num_kept: of these.
        dropped: reason -> lines; images that could not be read are among them.
        examples: reason -> some of them.
        outside: character that the dictionary lacks -> lines dropped for it.
        confidences: of the lines with text, in whole percent -> lines.
        kept_confidences: the same of the lines that are kept.
    """

    num_images: int = 0
    num_read: int = 0
    num_kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    outside: Counter[str] = field(default_factory=Counter)
    confidences: Counter[int] = field(default_factory=Counter)
    kept_confidences: Counter[int] = field(default_factory=Counter)

    def add_unreadable(self, name: str, error: str) -> None:
        """Count an image that could not be read."""
        self.num_images += 1
        self._drop(UNREADABLE, error if name in error else f"{name}: {error}")

    def add_image(self, name: str, verdicts: Iterable[Verdict]) -> None:
        """Count an image and its lines."""
        self.num_images += 1
        for verdict in verdicts:
            self.num_read += 1
            percent = int(100 * verdict.confidence)
            if verdict.text:
                self.confidences[percent] += 1
            self.outside.update(verdict.outside)
            if verdict.reason is None:
                self.num_kept += 1
                self.kept_confidences[percent] += 1
            else:
                self._drop(verdict.reason, f"{name}: {verdict.text!r}")

    def _drop(self, reason: str, example: str) -> None:
        self.dropped[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    def lines(self) -> list[str]:
        """Return the report as text."""
        text = [
            f"{self.num_read} lines read in {self.num_images} images: {self.num_kept} kept, "
            f"{self.dropped.total()} dropped"
        ]
        for reason, count in self.dropped.most_common():
            text.append(f"  {count} {reason}, e.g. {'; '.join(self.examples[reason])}")
        if self.outside:
            shown = ", ".join(
                f"{character!r} in {count}"
                for character, count in self.outside.most_common(_SHOWN_CHARACTERS)
            )
            rest = len(self.outside) - _SHOWN_CHARACTERS
            more = f" and {rest} more" if rest > 0 else ""
            text.append(f"  characters outside the dictionary: {shown}{more}")
        if self.confidences:
            text.append(f"  confidence in percent: {histogram(self.confidences)}")
        if self.kept_confidences:
            text.append(f"  of those that are kept: {histogram(self.kept_confidences)}")
        return text

    def as_json(self) -> Mapping[str, Any]:
        """Return the figures."""
        return {
            "images": self.num_images,
            "read": self.num_read,
            "kept": self.num_kept,
            "dropped": dict(self.dropped),
            "outside": dict(self.outside),
            "confidence_percent": dict(sorted(self.confidences.items())),
            "kept_confidence_percent": dict(sorted(self.kept_confidences.items())),
        }
