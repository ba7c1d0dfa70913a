"""The cases of detection that PaddleOCR computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CASES = (
    "det_dml",
    "det_v2_cml",
    "det_v2_distill",
    "det_v3_cml",
    "det_v4_cml",
    "det_v5_mobile",
    "det_v5_server",
)


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds."""
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content
