"""PaddleOCR's own numbers of boxes and of detection's transforms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_FOLDER = Path(__file__).parent / "golden" / "db_post"
EXPECTED: dict[str, Any] = json.loads((_FOLDER / "expected.json").read_text("utf-8"))
with np.load(_FOLDER / "arrays.npz") as _archive:
    ARRAYS: dict[str, NDArray[Any]] = {name: _archive[name] for name in _archive.files}

HAS_THEIR_OPENCV = int(cv2.__version__.split(".")[0]) == 5
"""OpenCV 4 fills polygons in another way: some boxes differ by up to four pixels there."""


def probability_of(name: str) -> NDArray[np.float32]:
    """Return a map [H, W] of the numbers."""
    return ARRAYS[name].astype(np.float32) / np.float32(255)


def pattern(
    size: Sequence[int], a: int = 7, b: int = 3, levels: Sequence[int] = (0, 60, 120)
) -> NDArray[np.uint8]:
    """Return the image [h, w, 3] that the numbers of transforms are of."""
    y, x = np.mgrid[: size[0], : size[1]]
    return ((a * y + b * x)[..., np.newaxis] + np.array(levels)).astype(np.int64).astype(np.uint8)
