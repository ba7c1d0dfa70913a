"""One self-contained HTML page of an evaluation: figures, misses by size and reason, pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from training.data.sample import SampleSource
from training.detection.metrics import Counts, Matches, match_boxes
from training.detection.page.drawing import (
    EXTRA,
    IGNORED,
    MATCHED,
    MISSED,
    NOT_COUNTED,
    Style,
    drawing,
)
from training.detection.page.misses import REASONS, why_missed
from training.loop.page_parts import (
    data_url,
    document,
    facts_table,
    figures_table,
    images_of,
    left_out,
    sample,
    table,
    without_folder,
)

if TYPE_CHECKING:
    from training.task import Batch

MOST_PAGES, MOST_PAGES_IF_SHORT = 50, 10
"""Pages that are shown, some 150 KB each."""
_HEIGHTS_PX = (6, 8, 10, 14, 20, 32)
"""Limits between heights of texts, as a network sees them."""
_STYLES = (
    (MISSED, "texts that were missed"),
    (IGNORED, "texts that are not judged"),
    (MATCHED, "boxes that match a text"),
    (EXTRA, "boxes that match none"),
    (NOT_COUNTED, "boxes on text that is not judged"),
)


@dataclass(frozen=True)
class SeenPage:
    """A page as it was evaluated; corners (x, y) in px of the image before it was resized.

    Args:
        name: of the sample.
        polys: corners of the texts, [P, 2] each.
        ignored: whether each text is not judged.
        boxes: corners of what was found, [P, 2] each.
        scale: of the network's input over the image, along x and y.
        matches: of boxes and texts.
    """

    name: str
    polys: Sequence[Any]
    ignored: Sequence[bool]
    boxes: Sequence[Any]
    scale: tuple[float, float]
    matches: Matches

    @property
    def num_wrong(self) -> int:
        """Texts that were missed and boxes that match none."""
        return len(self.matches.missed) + len(self.matches.extra)

    @cached_property
    def reasons(self) -> Mapping[int, str]:
        """Why each missed text was missed, by its place."""
        return why_missed(self.matches, self.polys, self.ignored, self.boxes)

    @cached_property
    def not_judged(self) -> list[int]:
        """Places of texts that are ignored, and of those that cross themselves or have no area."""
        judged = {*(place for place, _ in self.matches.pairs), *self.matches.missed}
        return [place for place in range(len(self.polys)) if place not in judged]

    def polygons(self) -> Iterator[tuple[list[Any], Style]]:
        """Yield what is drawn, what matters most last."""
        matched, extra = [box for _, box in self.matches.pairs], self.matches.extra
        counted = {*matched, *extra}
        yield [self.polys[place] for place in self.not_judged], IGNORED
        yield [self.polys[place] for place in self.matches.missed], MISSED
        yield [box for place, box in enumerate(self.boxes) if place not in counted], NOT_COUNTED
        yield [self.boxes[place] for place in matched], MATCHED
        yield [self.boxes[place] for place in extra], EXTRA

    def told(self) -> str:
        """Say in words what is wrong."""
        counts, missed = self.matches.counts(), Counter(self.reasons.values())
        reasons = ", ".join(f"{missed[reason]} {reason}" for reason in REASONS if missed[reason])
        parts = [
            f"{len(self.matches.missed)} of {counts.truths} texts missed"
            f"{f' ({reasons})' if reasons else ''}",
            f"{len(self.matches.extra)} of {counts.detections} boxes match none",
        ]
        if self.not_judged:
            parts.append(f"{len(self.not_judged)} texts are not judged")
        return "; ".join(parts)

    def heights_px(self, places: Iterable[int]) -> Iterator[float]:
        """Yield the heights of texts as the network sees them: the shorter side."""
        for place in places:
            yield _thickness(np.asarray(self.polys[place], dtype=np.float64) * self.scale)


class EvaluationPage:
    """Collects what the main network found, and writes it down.

    Args:
        network: the main network; empty for one by itself.
    """

    def __init__(self, network: str = "") -> None:
        self._network = network
        self._pages: list[SeenPage] = []

    def take(self, decoded: Any, batch: Batch) -> None:
        """Add a batch, decoded as `Task.score` returns it."""
        found = decoded[self._network] if self._network else decoded
        for name, boxes, polys, ignored, shape in zip(
            batch.names,
            found,
            batch.arrays["polys"],
            batch.arrays["ignore_tags"],
            batch.arrays["shape"],
            strict=True,
        ):
            matches = match_boxes(boxes.points, polys, ignored)
            scale = float(shape[3]), float(shape[2])
            self._pages.append(SeenPage(name, polys, ignored, boxes.points, scale, matches))

    def html(
        self,
        facts: Mapping[str, str],
        figures: Mapping[str, Mapping[str, float]],
        source: SampleSource,
        indices: Iterable[int],
        is_short: bool = False,
    ) -> str:
        """Return the page.

        Args:
            facts: what was evaluated, in words.
            figures: of every network.
            source: of the samples, for their pictures.
            indices: of the samples.
            is_short: show fewer pages.
        """
        wrong = sorted((page for page in self._pages if page.num_wrong), key=_worst_first)
        shown = wrong[: MOST_PAGES_IF_SHORT if is_short else MOST_PAGES]
        folder, names = without_folder({page.name for page in shown})
        # A page that is listed twice has two drawings.
        urls: dict[int, str] = {}
        for name, image in images_of(names, source, indices):
            for place, page in enumerate(shown):
                if page.name == name:
                    urls[place] = data_url(drawing(image, page.polygons()), "jpeg")
        counts = sum((page.matches.counts() for page in self._pages), Counts())
        parts = [
            facts_table(facts, folder),
            figures_table(figures),
            *(self._misses(counts) if counts.truths else ["<p>No text is judged.</p>"]),
            f"<h2>Pages with mistakes: {len(wrong)}, those with most first</h2>",
            _legend(),
            *(
                sample(urls.get(place), page.told(), names[page.name])
                for place, page in enumerate(shown)
            ),
            left_out(len(wrong) - len(shown)),
        ]
        return document(
            f"{counts.matches} of {counts.truths} texts found, "
            f"{counts.detections - counts.matches} boxes match none",
            parts,
        )

    def _misses(self, counts: Counts) -> list[str]:
        """Return the texts that were missed by reason, and all of them by height."""
        missed = Counter(reason for page in self._pages for reason in page.reasons.values())
        rows = [
            (reason, str(missed[reason]), f"{missed[reason] / counts.truths:.1%}")
            for reason in REASONS
            if missed[reason]
        ]
        return [
            "<h2>Why texts were missed</h2>",
            table(("", "texts", "of all texts"), rows) if rows else "<p>None was.</p>",
            "<h2>By height, as the network sees it</h2>",
            table(("shorter side, px", "texts", "found"), self._by_height()),
        ]

    def _by_height(self) -> list[tuple[str, str, str]]:
        """Return ranges of heights, texts of them, and the share that was found."""
        found: Counter[int] = Counter()
        missed: Counter[int] = Counter()
        for page in self._pages:
            found.update(map(_range, page.heights_px(place for place, _ in page.matches.pairs)))
            missed.update(map(_range, page.heights_px(page.matches.missed)))
        names = [
            f"below {_HEIGHTS_PX[0]}",
            *(f"{low} to {high}" for low, high in pairwise(_HEIGHTS_PX)),
            f"{_HEIGHTS_PX[-1]} and more",
        ]
        return [
            (name, str(total), f"{found[place] / total:.1%}")
            for place, name in enumerate(names)
            if (total := found[place] + missed[place])
        ]


def _thickness(corners: Any) -> float:
    """Return the shorter side of the rectangle with a polygon's area and perimeter.

    Unlike that of the rectangle around it this is the height of curved text too.
    """
    points = np.asarray(corners, dtype=np.float32)
    half, area = cv2.arcLength(points, True) / 2, cv2.contourArea(points)
    return float(half - np.sqrt(max(0.0, half * half - 4 * area))) / 2


def _range(height_px: float) -> int:
    """Return the place of a height among the ranges."""
    return int(np.searchsorted(_HEIGHTS_PX, height_px, side="right"))


def _worst_first(page: SeenPage) -> tuple[int, str]:
    return -page.num_wrong, page.name


def _legend() -> str:
    marks = []
    for (colour, is_filled, _), name in _STYLES:
        blue, green, red = colour
        mark = "&#9632;" if is_filled else "&#9633;"
        marks.append(f"<span style='color:rgb({red},{green},{blue})'>{mark}</span> {name}")
    return f"<p>{', '.join(marks)}</p>"
