"""Converts a result to the record that files write."""

from __future__ import annotations

from typing import Any

from runtime.detection.result import Detection

_SCORE_DECIMALS = 6


def record_from_detection(detection: Detection) -> dict[str, Any]:
    """Convert a result to a record, with its path as `file`.

    Returns:
        `file`, `boxes` of `points` [[x, y], …] in px and `score`, the sizes of image and input in
        px, `warnings` and `error`.
    """
    return {
        "file": detection.source,
        "boxes": [
            {"points": [list(point) for point in box.points], "score": rounded(box.score)}
            for box in detection.boxes
        ],
        "width_px": detection.width_px,
        "height_px": detection.height_px,
        "input_width_px": detection.input_width_px,
        "input_height_px": detection.input_height_px,
        "warnings": list(detection.warnings),
        "error": detection.error,
    }


def rounded(score: float) -> float:
    """Round a score to the decimals that are written."""
    return round(score, _SCORE_DECIMALS)
