"""Leaves out lines that are too unsure, where that is asked for."""

from __future__ import annotations

from dataclasses import replace

from runtime.pages.result import PageText


def without_unsure(page: PageText, least: float) -> PageText:
    """Return a page without the lines whose confidence is below `least`.

    Args:
        page: its text.
        least: confidence, 0 to 1.
    """
    kept = [place for place, line in enumerate(page.lines) if line.confidence >= least]
    if len(kept) == len(page.lines):
        return page
    places = {place: number for number, place in enumerate(kept)}
    columns = tuple(
        column._replace(lines=tuple(places[place] for place in column.lines if place in places))
        for column in page.columns
    )
    return replace(page, lines=tuple(page.lines[place] for place in kept), columns=columns)
