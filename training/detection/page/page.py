"""One self-contained HTML page of an evaluation: figures, misses by size and reason, pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from training.data.sample import Image, SampleSource
from training.detection.metrics import Counts, Matches, match_boxes
from training.detection.page.drawing import EXTRA, FOUND, IGNORED, MISSED, drawing
from training.detection.page.misses import REASONS, why_missed
from training.loop.page_parts import (
    document,
    facts_table,
    figures_table,
    left_out,
    pictures,
    sample,
    table,
    without_folder,
)

if TYPE_CHECKING:
    from training.run import Run
    from training.task import Batch

MOST_SAMPLES, SAMPLES_A_PAGE = 500, 10
"""Samples are lines; a page takes the room of some."""
_HEIGHTS_PX = (6, 8, 10, 14, 20, 32)
"""Limits between heights of texts, as a network sees them."""
_COLOURS = (
    (FOUND, "texts that were found"),
    (MISSED, "texts that were missed"),
    (EXTRA, "boxes that match no text"),
    (IGNORED, "texts that are not judged"),
)


@dataclass(frozen=True)
class SeenPage:
    """A page as it was evaluated; corners (x, y) in px of the image before it was resized.

    Args:
        name: of the sample.
        polys: corners of the texts, [P, 2] each.
        ignored: whether each text is not judged.
        boxes: corners of what was found, [P, 2] each.
        scale: of the network's input over the image.
        matches: of boxes and texts.
    """

    name: str
    polys: Sequence[Any]
    ignored: Sequence[bool]
    boxes: Sequence[Any]
    scale: float
    matches: Matches

    @property
    def num_wrong(self) -> int:
        """Texts that were missed and boxes that match none."""
        return len(self.matches.missed) + len(self.matches.extra)

    @cached_property
    def reasons(self) -> Mapping[int, str]:
        """Why each missed text was missed, by its place."""
        return why_missed(self.matches.missed, self.polys, self.boxes)

    def outlines(self) -> Iterable[tuple[list[Any], tuple[int, int, int]]]:
        """Return polygons and colours, what matters most last."""
        found = [self.polys[place] for place, _ in self.matches.pairs]
        not_judged = zip(self.polys, self.ignored, strict=True)
        yield [poly for poly, is_ignored in not_judged if is_ignored], IGNORED
        yield found, FOUND
        yield [self.boxes[place] for place in self.matches.extra], EXTRA
        yield [self.polys[place] for place in self.matches.missed], MISSED

    def told(self) -> str:
        """Say in words what is wrong."""
        counts = Counter(self.reasons.values())
        reasons = ", ".join(f"{counts[reason]} {reason}" for reason in REASONS if counts[reason])
        return (
            f"{len(self.matches.missed)} of {self.matches.truths} texts missed"
            f"{f' ({reasons})' if reasons else ''}, {len(self.matches.extra)} of "
            f"{self.matches.detections} boxes match none"
        )


class EvaluationPage:
    """Collects what the main network found, and writes it down.

    Args:
        run: that is evaluated.
        network: its main network; empty for one by itself.
    """

    def __init__(self, run: Run, network: str) -> None:
        self._post_process, self._network = run.post_process, network
        self._pages: list[SeenPage] = []

    @staticmethod
    def of(run: Run) -> EvaluationPage:
        """Open the page of a run's main network."""
        return EvaluationPage(run, run.metric.key if run.plan.model.is_distillation else "")

    def take(self, outputs: Any, batch: Batch) -> None:
        """Add a batch."""
        shapes = batch.arrays["shape"]
        found = self._post_process(outputs, shapes)
        found = found[self._network] if self._network else found
        height = batch.arrays["image"].shape[2]
        for name, boxes, polys, ignored, shape in zip(
            batch.names,
            found,
            batch.arrays["polys"],
            batch.arrays["ignore_tags"],
            shapes,
            strict=True,
        ):
            self._pages.append(
                SeenPage(
                    *(name, list(polys), [bool(tag) for tag in ignored], list(boxes.points)),
                    scale=height / float(shape[0]),
                    matches=match_boxes(boxes.points, polys, ignored),
                )
            )

    def html(
        self,
        facts: Mapping[str, str],
        figures: Mapping[str, Mapping[str, float]],
        source: SampleSource,
        indices: Iterable[int],
        most: int = MOST_SAMPLES,
    ) -> str:
        """Return the page.

        Args:
            facts: what was evaluated, in words.
            figures: of every network.
            source: of the samples, for their pictures.
            indices: of the samples.
            most: ten times the pages that are shown, those with most mistakes.
        """
        wrong = sorted((page for page in self._pages if page.num_wrong), key=_worst_first)
        shown = {page.name: page for page in wrong[: max(1, most // SAMPLES_A_PAGE)]}

        def drawn(name: str, image: Image) -> Image:
            return drawing(image, shown[name].outlines())

        found = pictures(shown, source, indices, drawn, "jpeg")
        folder, names = without_folder(page.name for page in self._pages)
        counts = sum((page.matches.counts() for page in self._pages), Counts())
        missed = Counter(reason for page in self._pages for reason in page.reasons.values())
        parts = [
            facts_table({**facts, **({"folder": folder} if folder else {})}),
            figures_table(figures),
            "<h2>Why texts were missed</h2>",
            table(
                ("", "texts", "of all"),
                [
                    (reason, str(missed[reason]), f"{missed[reason] / counts.truths:.1%}")
                    for reason in REASONS
                    if missed[reason]
                ],
            )
            if missed
            else "<p>None was.</p>",
            "<h2>By height, as the network sees it</h2>",
            table(("px", "texts", "found"), self._by_height()),
            f"<h2>{len(wrong)} pages with mistakes, those with most first</h2>",
            _legend(),
            *(sample(found.get(name), page.told(), names[name]) for name, page in shown.items()),
            left_out(len(wrong) - len(shown)),
        ]
        return document(
            f"{counts.matches} of {counts.truths} texts found, "
            f"{counts.detections - counts.matches} boxes match none",
            parts,
        )

    def _by_height(self) -> list[tuple[str, str, str]]:
        """Return ranges of heights, texts of them, and the share that was found."""
        found: Counter[int] = Counter()
        missed: Counter[int] = Counter()
        for page in self._pages:
            for counter, places in (
                (found, [place for place, _ in page.matches.pairs]),
                (missed, page.matches.missed),
            ):
                counter.update(_range(page.polys[place], page.scale) for place in places)
        names = [f"below {_HEIGHTS_PX[0]}"]
        names += [f"{low} to {high}" for low, high in pairwise(_HEIGHTS_PX)]
        names.append(f"{_HEIGHTS_PX[-1]} and more")
        return [
            (name, str(total), f"{found[place] / total:.1%}")
            for place, name in enumerate(names)
            if (total := found[place] + missed[place])
        ]


def _range(poly: Any, scale: float) -> int:
    """Return the place of a text's height, its shorter side, among the ranges."""
    sides = cv2.minAreaRect(np.asarray(poly, dtype=np.float32))[1]
    return int(np.searchsorted(_HEIGHTS_PX, min(sides) * scale, side="right"))


def _worst_first(page: SeenPage) -> tuple[int, str]:
    return -page.num_wrong, page.name


def _legend() -> str:
    return (
        "<p>"
        + ", ".join(
            f"<span style='color:rgb({red},{green},{blue})'>&#9632;</span> {name}"
            for (blue, green, red), name in _COLOURS
        )
        + "</p>"
    )
