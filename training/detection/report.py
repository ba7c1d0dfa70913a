"""Reports which pages of a data set are kept, and what is odd about their polygons."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import shapely
from numpy.typing import NDArray

from runtime.errors import DatasetError, OcrError
from training.data.inspection import (
    EXAMPLES,
    UNREADABLE,
    Inspection,
    Looked,
    evenly_spread,
    histogram,
    inspect_images,
)
from training.data.sample import SampleSource
from training.detection.labels import NoTextError, TextPolygons, read_polygons

MOST_DECODED = 2_000
"""Larger sets are judged by `NUM_SPREAD` of their images."""
NUM_SPREAD = 1_000
NO_TEXT, UNUSABLE = "without text", "label that cannot be used"
LEFT_OUT = "polygons hold what is no number and are left out"
CROSSING = "polygons cross themselves and count in no figure"
WITHOUT_AREA = "polygons have no area and are not learnt"
OUTSIDE = "polygons reach beyond their image"
_SMALLEST_AREA_PX = 1.0
_BEYOND_PX = 2.0


@dataclass
class PageReport(Inspection):
    """Pages of a data set and what becomes of them.

    Args:
        num_texts: on the kept pages.
        num_ignored: of these, texts `*` and `###`, which are neither learnt nor counted.
        num_unlabelled: kept pages that nobody labelled.
        odd: what is odd about polygons -> how many of them.
        odd_examples: the same -> some pages.
        texts: texts on a page -> pages.
        sides: longer side in px -> pages, of those whose image was decoded.
        heights: median height of a page's texts in px -> pages.
    """

    unit: ClassVar[str] = "pages"

    num_texts: int = 0
    num_ignored: int = 0
    num_unlabelled: int = 0
    odd: Counter[str] = field(default_factory=Counter)
    odd_examples: dict[str, list[str]] = field(default_factory=dict)
    texts: Counter[int] = field(default_factory=Counter)
    sides: Counter[int] = field(default_factory=Counter)
    heights: Counter[int] = field(default_factory=Counter)

    def add_odd(self, kind: str, count: int, page: str) -> None:
        """Count odd polygons of a page."""
        if count:
            self.odd[kind] += count
            examples = self.odd_examples.setdefault(kind, [])
            if len(examples) < EXAMPLES:
                examples.append(page)

    def lines(self) -> list[str]:
        """Return the report as text."""
        text = super().lines()
        if self.num_texts:
            text.append(f"  {self.num_texts} texts, {self.num_ignored} of them ignored (* or ###)")
        if self.num_unlabelled:
            text.append(f"  {self.num_unlabelled} pages that nobody labelled")
        for kind, count in self.odd.items():
            text.append(f"  {count} {kind}, e.g. on {'; '.join(self.odd_examples[kind])}")
        if self.sides:
            text.append(f"  longer side px: {histogram(self.sides)}")
        if self.texts:
            text.append(f"  texts a page: {histogram(self.texts)}")
        if self.heights:
            text.append(f"  median height of a page's texts px: {histogram(self.heights)}")
        return text

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a log."""
        return {
            **super().as_json(),
            "texts": self.num_texts,
            "ignored_texts": self.num_ignored,
            "unlabelled_pages": self.num_unlabelled,
            "odd_polygons": dict(self.odd),
        }


def inspect_pages(
    source: SampleSource,
    name: str,
    malformed: Sequence[str] = (),
    notes: Sequence[str] = (),
    looked_at: int | None = None,
) -> PageReport:
    """Check every label of a data set, and decode its images or an evenly spread part of them.

    Which images are decoded depends on the set alone, so that a resumed run keeps the same pages.

    Args:
        source: the pages.
        name: for the report.
        malformed: lines of label files without path and label.
        notes: remarks of the source on its files.
        looked_at: how many pages to check where all are rendered; None for all.

    Raises:
        DatasetError: if no page can be used.
    """
    report = PageReport(name, notes=list(notes))
    report.drop_malformed(malformed)
    total = len(source) if looked_at is None else min(looked_at, len(source))
    labels = dict(_usable_labels(report, source, range(total)))
    report.num_tried = len(labels) + len(report.dropped.get(UNREADABLE, ()))
    # Rendered pages have no files, and are not decoded.
    is_rendered = looked_at is not None
    decoded = [] if is_rendered else evenly_spread(list(labels), MOST_DECODED, NUM_SPREAD)
    looked = inspect_images(report, source, list(labels), set(decoded), not is_rendered)
    report.kept = list(looked)
    digest = hashlib.sha256(f"{len(source)}\n".encode())
    for index, seen in looked.items():
        text = source.text(index, 0)
        digest.update(
            f"{index} {seen.ratio!r} {seen.num_bytes} {text}\n".encode(errors="surrogatepass")
        )
        _add_page(report, labels[index], seen, f"page {index}")
    report.sha256 = digest.hexdigest()
    report.refuse_nothing_kept()
    report.kept.extend(range(total, len(source)))
    return report


def _usable_labels(
    report: PageReport, source: SampleSource, indices: Sequence[int]
) -> Iterator[tuple[int, TextPolygons]]:
    """Yield index and polygons of labels that can be used; drop the others."""
    for index in indices:
        try:
            label = source.text(index, 0)
        except OcrError as error:
            report.drop(index, UNREADABLE, str(error))
            continue
        try:
            yield index, read_polygons(label, f"page {index}")
        except NoTextError as error:
            report.drop(index, NO_TEXT, str(error))
        except DatasetError as error:
            report.drop(index, UNUSABLE, str(error))


def _add_page(report: PageReport, label: TextPolygons, seen: Looked, page: str) -> None:
    """Count the texts of a kept page, and what is odd about them."""
    if seen.size is not None:
        report.sides[max(seen.size)] += 1
    if not label.texts:
        report.num_unlabelled += 1
        return
    report.num_texts += len(label.texts)
    report.num_ignored += int(np.count_nonzero(label.ignored))
    report.texts[len(label.texts)] += 1
    report.heights[round(float(np.median(shorter_sides(label.polys))))] += 1
    shapes = shapely.polygons(label.polys.astype(np.float64))
    is_flat = shapely.area(shapely.convex_hull(shapes)) < _SMALLEST_AREA_PX
    report.add_odd(LEFT_OUT, label.num_left_out, page)
    report.add_odd(WITHOUT_AREA, int(np.count_nonzero(is_flat)), page)
    is_crossing = ~shapely.is_valid(shapes) & ~is_flat
    report.add_odd(CROSSING, int(np.count_nonzero(is_crossing)), page)
    if seen.size is not None:
        is_beyond = reaches_beyond(label.polys, *seen.size)
        report.add_odd(OUTSIDE, int(np.count_nonzero(is_beyond)), page)


def shorter_sides(polys: NDArray[Any]) -> NDArray[Any]:
    """Return the shorter side in px of each polygon's bounding box: [K, P, 2] to [K]."""
    extents: NDArray[Any] = (polys.max(axis=1) - polys.min(axis=1)).min(axis=1)
    return extents


def reaches_beyond(polys: NDArray[Any], height: int, width: int) -> NDArray[np.bool_]:
    """Tell of each polygon, [K, P, 2], whether a corner lies outside an image by 2 px or more."""
    lowest, highest = polys.min(axis=1), polys.max(axis=1)
    is_beyond: NDArray[np.bool_] = (lowest < -_BEYOND_PX).any(axis=1) | (
        highest > np.array([width + _BEYOND_PX, height + _BEYOND_PX])
    ).any(axis=1)
    return is_beyond
