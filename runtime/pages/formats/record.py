"""Converts the text of a page to the record that files and services write."""

from __future__ import annotations

from typing import Any

from runtime.pages.result import PageLine, PageText, Points

_CONFIDENCE_DECIMALS = 6
_PX_DECIMALS = 1


def record_from_page(page: PageText) -> dict[str, Any]:
    """Convert the text of a page to a record, with its name as `file`.

    Returns:
        `file`; `page`, its number in the file, from 1; sizes in px, `px_per_inch` and `angle`;
        `is_from_file`, whether its text stood there; `text` in the order of reading; `lines` with
        their polygons and words; `columns` with the places of their lines; `warnings` and `error`.
    """
    return {
        "file": page.source,
        "page": page.page,
        "width_px": page.width_px,
        "height_px": page.height_px,
        "px_per_inch": None if page.px_per_inch is None else round(page.px_per_inch, 2),
        "angle": round(page.angle, 2),
        "is_from_file": page.is_from_file,
        "text": page.text,
        "lines": [_line_record(line) for line in page.lines],
        "columns": [
            {"points": pairs(column.points), "lines": list(column.lines)} for column in page.columns
        ],
        "warnings": list(page.warnings),
        "error": page.error,
    }


def rounded(confidence: float) -> float:
    """Round a probability to the decimals that are written."""
    return round(confidence, _CONFIDENCE_DECIMALS)


def pairs(points: Points) -> list[list[float]]:
    """Return corners as lists, rounded."""
    return [[round(x, _PX_DECIMALS), round(y, _PX_DECIMALS)] for x, y in points]


def _line_record(line: PageLine) -> dict[str, Any]:
    return {
        "text": line.text,
        "confidence": rounded(line.confidence),
        "score": rounded(line.score),
        "points": pairs(line.points),
        "words": [
            {
                "text": word.text,
                "confidence": rounded(word.confidence),
                "points": pairs(word.points),
            }
            for word in line.words
        ],
        "is_unsure": line.is_unsure,
        "is_turned": line.is_turned,
        "column": line.column,
        "row": line.row,
    }
