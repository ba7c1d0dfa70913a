"""Folders of larger files beside the project, which tests use where they are."""

from __future__ import annotations

import os
from pathlib import Path

_SHARED = Path(__file__).resolve().parents[2] / "shared"
REAL_LINES = Path(os.environ.get("DISTILREC_DATA", _SHARED / "data"))
"""Packs of real line images."""
PADDLEOCR_NUMBERS = Path(os.environ.get("DISTILREC_GOLDEN", _SHARED / "golden"))
"""Cases that PaddleOCR computed, too large for this repository."""
