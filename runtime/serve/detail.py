"""How much of a record an answer holds: `?detail=`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OF_LINES = ("full", "text")
OF_PAGES = ("full", "lines", "text")

_OF_A_LINE = ("name", "text", "confidence", "warnings", "error")
_OF_A_PAGE = ("page", "text", "lines", "warnings", "error")
_OF_A_PAGES_LINE = ("text", "confidence", "points")


def short_line(record: Mapping[str, Any], detail: str) -> dict[str, Any]:
    """Return a line's record with as much as is wanted, one of `OF_LINES`."""
    if detail == "full":
        return dict(record)
    return {key: record[key] for key in _OF_A_LINE if key in record}


def short_page(record: Mapping[str, Any], detail: str) -> dict[str, Any]:
    """Return a page's record with as much as is wanted, one of `OF_PAGES`."""
    if detail == "full":
        return dict(record)
    short = {key: record[key] for key in _OF_A_PAGE if key in record}
    lines = short.pop("lines")
    if detail == "lines":
        short["lines"] = [{key: line[key] for key in _OF_A_PAGES_LINE} for line in lines]
    return short
