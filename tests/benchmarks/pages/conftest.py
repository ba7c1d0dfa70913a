"""A label file of small pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("shapely", reason="boxes are compared with it")

BOXES = [(20, 20, 120, 40), (20, 60, 90, 80), (110, 60, 160, 80)]
TEXTS = ["FIRST LINE", "ITEM", "1.50"]


def corners(box: tuple[int, int, int, int]) -> list[list[float]]:
    """The corners of a box clockwise from the upper left."""
    left, top, right, bottom = box
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def entries() -> list[dict[str, Any]]:
    """A page's label."""
    return [
        {"transcription": text, "points": corners(box)}
        for text, box in zip(TEXTS, BOXES, strict=True)
    ]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Three pages, the boxes of text black; the last page's label goes up."""
    rows = []
    for name in ("a.png", "b.png", "c.png"):
        page = np.full((100, 180, 3), 240, dtype=np.uint8)
        for left, top, right, bottom in BOXES:
            page[top:bottom, left:right] = 0
        cv2.imwrite(str(tmp_path / name), page)
        label = entries()[::-1] if name == "c.png" else entries()
        rows.append(f"{name}\t{json.dumps(label)}\n")
    file = tmp_path / "labels.txt"
    file.write_text("".join(rows), encoding="utf-8")
    return file
