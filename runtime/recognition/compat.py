"""Forms the batches and widths of PaddleOCR, to reproduce its results exactly.

In PaddleOCR an image's input width depends on its neighbours too, so all images have to be known
before the first can be read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runtime.errors import OcrError

COMPATS = ("paddleocr2", "paddleocr3")

_BATCH_SIZE = 6
_LEAST_WIDTH_PX = 320
_MOST_WIDTH_PX = 3200
"""Largest width of an image in PaddleOCR 3; version 2 has no limit."""


@dataclass(frozen=True)
class PaddleOcrBatch:
    """Images that PaddleOCR reads together.

    Args:
        positions: of the images in the input, in the order of the batch.
        content_widths: width in px to which each image is resized.
        width: input width in px to which all are padded.
    """

    positions: tuple[int, ...]
    content_widths: tuple[int, ...]
    width: int


def check_compat(compat: str | None) -> None:
    """Refuse a value that is neither None nor one of `COMPATS`."""
    if compat is not None and compat not in COMPATS:
        raise OcrError(
            f"unknown compat: expected one of {', '.join(COMPATS)}, got {compat!r}; leave it out "
            "for widths that follow from each image alone"
        )


def paddleocr_batches(
    compat: str, sizes: Mapping[int, tuple[int, ...]], height: int
) -> list[PaddleOcrBatch]:
    """Form batches of six images, in ascending order of aspect ratio.

    Args:
        compat: one of `COMPATS`.
        sizes: position -> (h, w) in px of every image, positions ascending.
        height: H of the network in px.

    Source: PaddleOCR 2 `tools/infer/predict_rec.py`; PaddleX 3, its OCR pipeline and
    `OCRReisizeNormImg`, `ToBatch` of text recognition.
    """
    ratios = {position: width / float(high) for position, (high, width) in sizes.items()}
    if compat == "paddleocr2":
        # NumPy's default sort, which PaddleOCR calls, is not stable.
        positions = list(ratios)
        order = [positions[place] for place in np.argsort(np.array(list(ratios.values())))]
        batch_of = _batch_of_version_2
    else:
        order = sorted(ratios, key=ratios.__getitem__)
        batch_of = _batch_of_version_3
    parts = [order[start : start + _BATCH_SIZE] for start in range(0, len(order), _BATCH_SIZE)]
    return [batch_of(part, [ratios[position] for position in part], height) for part in parts]


def _batch_of_version_2(
    positions: Sequence[int], ratios: Sequence[float], height: int
) -> PaddleOcrBatch:
    """Form a batch as PaddleOCR 2 does: the widest image decides on the width of all."""
    width = int(height * max(_LEAST_WIDTH_PX / height, *ratios))
    content_widths = tuple(min(math.ceil(height * ratio), width) for ratio in ratios)
    return PaddleOcrBatch(tuple(positions), content_widths, width)


def _batch_of_version_3(
    positions: Sequence[int], ratios: Sequence[float], height: int
) -> PaddleOcrBatch:
    """Form a batch as PaddleOCR 3 does: each image has a width of its own, then all are padded."""
    widths = [
        min(int(height * max(_LEAST_WIDTH_PX / height, ratio)), _MOST_WIDTH_PX) for ratio in ratios
    ]
    content_widths = tuple(
        min(math.ceil(height * ratio), width) for ratio, width in zip(ratios, widths, strict=True)
    )
    return PaddleOcrBatch(tuple(positions), content_widths, max(widths))
