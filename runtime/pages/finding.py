"""Finds the lines of a page, whichever of its sides is up."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.detection.detector import Detector
from runtime.detection.preprocess import Image
from runtime.pages.orientation import DOWN, is_sideways
from runtime.pages.scale import Finder, Outline
from runtime.shared_work import Apply


def find_lines(page: Image, detector: Detector, apply: Apply) -> tuple[list[Outline], float]:
    """Find the lines of a page, which is turned for the detector where its text runs up or down.

    Args:
        page: BGR uint8 [h, w, 3].
        detector: finds.
        apply: runs what may run at once.

    Returns:
        the lines, and the direction in which the text runs or the opposite one: 0 or 90 degrees.
    """
    finder = Finder(page, detector, apply)
    first = finder.coarse_pass()
    if not _is_sideways(first.outlines):
        outlines = finder.outlines(first)
        if not _is_sideways(outlines):
            return outlines, 0.0
    return Finder(page, detector, apply, quarter_turns=1).outlines(), DOWN


def _is_sideways(outlines: Sequence[Outline]) -> bool:
    return is_sideways([outline.corners for outline in outlines])
