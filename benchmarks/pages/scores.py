"""What was found in pages against their labels: words, boxes, order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from benchmarks.pages.labels import LabelledPage
from training.detection.metrics import Counts, match_boxes


class FoundLine(NamedTuple):
    """A line as a reader gives it.

    Args:
        text: what it read.
        points: corners (x, y) in px.
    """

    text: str
    points: Sequence[Sequence[float]]


@dataclass
class PageScores:
    """Counts pages.

    Args:
        ignores_case: whether words that differ in case only are the same.
        words: of the pages, each as often as it stands there, whatever their places.
        boxes: of lines, as PaddleOCR counts them.
        followed: labels whose next one comes next among the lines that match a label.
        following: those that were found, and so was the next of the label file.
    """

    ignores_case: bool = False
    words: Counts = field(default_factory=Counts)
    boxes: Counts = field(default_factory=Counts)
    followed: int = 0
    following: int = 0

    def add(self, page: LabelledPage, lines: Sequence[FoundLine]) -> None:
        """Count a page."""
        wanted = self._words(
            text
            for text, is_ignored in zip(page.texts, page.ignored, strict=True)
            if not is_ignored
        )
        found = self._words(line.text for line in lines)
        self.words += Counts(wanted.total(), found.total(), (wanted & found).total())
        detected = [np.asarray(line.points, np.float64).reshape(-1, 2) for line in lines]
        matches = match_boxes(detected, page.polygons, page.ignored)
        self.boxes += matches.counts()
        ranks = {place: rank for rank, place in enumerate(sorted(dict(matches.pairs).values()))}
        for (label, line), (next_label, next_line) in pairwise(matches.pairs):
            if next_label == label + 1:
                self.following += 1
                self.followed += ranks[next_line] == ranks[line] + 1

    def figures(self) -> dict[str, Any]:
        """Return all figures, shares from 0 to 1."""
        return {
            **{f"word_{name}": value for name, value in _named(self.words)},
            **{f"box_{name}": value for name, value in _named(self.boxes)},
            "order": self.followed / self.following if self.following else 0.0,
        }

    def _words(self, texts: Iterable[str]) -> Counter[str]:
        cased = (text.casefold() if self.ignores_case else text for text in texts)
        return Counter(word for text in cased for word in text.split())


def _named(counts: Counts) -> list[tuple[str, float]]:
    figures = counts.figures()
    return [("f1" if name == "hmean" else name, value) for name, value in figures.items()]
