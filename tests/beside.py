"""Folders of larger files beside the project, which tests use where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"
REAL_LINES = Path(os.environ.get("DISTILREC_DATA", _SHARED / "data"))
"""Packs of real line images."""
PADDLEOCR_NUMBERS = Path(os.environ.get("DISTILREC_GOLDEN", _SHARED / "golden"))
"""Cases that PaddleOCR computed, too large for this repository."""


def paddleocr_numbers(*parts: str) -> Path:
    """Return a file or folder of PaddleOCR's cases; where it is absent the test is skipped."""
    path = PADDLEOCR_NUMBERS.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no numbers of PaddleOCR at {path}; name their folder in DISTILREC_GOLDEN")
    return path
