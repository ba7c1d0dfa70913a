"""The order of reading of labelled boxes, without finding or reading anything.

    python -m benchmarks.pages.order --labels PACKS/*_pages/val.txt [--output FILE]

Each label file's pages as they are, turned, skewed by 1 to 15 degrees, and two beside each other;
the reader is told how the page lies and is given the boxes shuffled. Exit status: 0 measured, 2
not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measuring.command import command_parser, run_command
from benchmarks.measuring.comparison import aligned
from benchmarks.measuring.result import (
    Measure,
    Result,
    measure,
    named_file,
    surroundings,
)
from benchmarks.pages.labels import LabelledPage, labelled_pages
from benchmarks.pages.scores import FoundLine, PageScores
from runtime.pages.order import in_order
from runtime.pages.result import PageLine
from runtime.pages.upright import turned

QUARTERS = (90.0, 180.0, 270.0)
_LEAST_DEGREES, _MOST_DEGREES = 1.0, 15.0
_GAP = 0.05
CHANGES = ("plain", "turned", "skewed", "side by side")


def changed(
    pages: Sequence[LabelledPage], number: int, change: str, draw: np.random.Generator
) -> tuple[LabelledPage, float]:
    """Return a page in another place, and the degrees that it is to be turned by, clockwise.

    Args:
        pages: all of a label file.
        number: of the page.
        change: of `CHANGES`.
        draw: of the page.
    """
    page = pages[number]
    if change == "side by side":
        return _beside(page, pages[(number + 1) % len(pages)]), 0.0
    angle = 0.0
    if change == "turned":
        angle = float(draw.choice(QUARTERS))
    elif change == "skewed":
        angle = float(draw.uniform(_LEAST_DEGREES, _MOST_DEGREES) * draw.choice((-1, 1)))
    polygons = (
        turned(points.astype(np.float64), -angle).astype(np.float32) for points in page.polygons
    )
    return replace(page, polygons=tuple(polygons)), angle


def _beside(left: LabelledPage, right: LabelledPage) -> LabelledPage:
    """Return a page that has two beside each other."""
    ends = [(points[:, 0].min(), points[:, 0].max()) for points in left.polygons]
    width = max(end for _, end in ends)
    begin = width * (1 + _GAP) - min(points[:, 0].min() for points in right.polygons)
    moved = (points + np.array([begin, 0.0]) for points in right.polygons)
    return LabelledPage(
        left.path,
        (*left.polygons, *moved),
        (*left.texts, *right.texts),
        (*left.ignored, *right.ignored),
    )


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.pages.order", __doc__)
    add = parser.add_argument
    add("--labels", type=Path, nargs="+", required=True, help="PaddleOCR's label files of pages")
    add("--count", type=int, default=1000, help="pages of each; default: %(default)s")
    add("--seed", type=int, default=1)
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_command(options_parser(), measured, arguments)


def measured(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Measure, print the table, and return everything.

    Raises:
        OcrError: if there is no page.
    """
    around = surroundings()
    rows = [["", "pages", *CHANGES]]
    measures: list[Measure] = []
    for labels in options.labels:
        pages = labelled_pages(labels, options.count)
        by_rows = [page for page in pages if page.goes_down]
        name = f"{labels.parent.name}/{labels.name}"
        for title, chosen in ((name, pages), (f"{name}, labelled by rows", by_rows)):
            figures = dict(orders(chosen, options.seed))
            rows.append([title, str(len(chosen)), *(f"{order:.4f}" for order in figures.values())])
            measures += (
                measure(f"order / {title} / {change}", "share", "higher", [order], True)
                for change, order in figures.items()
            )
    print("\n".join(aligned(rows)))
    return Result(
        benchmark="order",
        title="The order of reading of labelled boxes",
        command=("python", "-m", "benchmarks.pages.order", *command),
        inputs={
            f"{labels.parent.name}/{labels.name}": named_file(labels) for labels in options.labels
        },
        settings={"seed": options.seed},
        measures=tuple(measures),
        **around,
    )


def orders(pages: Sequence[LabelledPage], seed: int) -> Iterator[tuple[str, float]]:
    """Yield each change, and the share of labels that the next one comes next to."""
    for change in CHANGES:
        scores = PageScores()
        for number in range(len(pages)):
            draw = np.random.default_rng([seed, number])
            page, angle = changed(pages, number, change, draw)
            lines = [
                PageLine(text=text, confidence=1.0, points=tuple(map(tuple, points.tolist())))
                for text, points in zip(page.texts, page.polygons, strict=True)
            ]
            shuffled = [lines[place] for place in draw.permutation(len(lines)).tolist()]
            ordered, _ = in_order(shuffled, angle)
            scores.add(page, [FoundLine(line.text, line.points) for line in ordered])
        yield change, scores.figures()["order"]


if __name__ == "__main__":
    sys.exit(main())
