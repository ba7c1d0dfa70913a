"""Checks that a network reads lines without any writing as CTC blanks only.

Their text is the only one that is known for every recogniser in advance.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ArtifactError
from runtime.recognition.preprocess import Image

logger = logging.getLogger(__name__)

LEVELS = {"white": 255, "grey": 128, "black": 0}
_MOST_SHOWN = 5


def blank_lines(height: int, width_px: int, channels: int) -> list[Image]:
    """Return a line of each of `LEVELS`, uint8 [H, W, C]."""
    return [np.full((height, width_px, channels), level, np.uint8) for level in LEVELS.values()]


def check_blank(
    scores: NDArray[np.float32],
    characters: Sequence[str],
    where: str,
    is_blank_known: bool,
) -> None:
    """Compare a network's scores for blank lines with the CTC blank; warn if they differ.

    Args:
        scores: of a line of each of `LEVELS`, float [3, T, K], the blank as class 0.
        characters: of classes 1 .. K-1.
        where: the model, for messages.
        is_blank_known: whether the model or the user states which class the blank is.

    Raises:
        ArtifactError: if it is not known, and the last class is read at all time steps of all
            lines, so that it may be the blank.
    """
    classes = scores.argmax(axis=-1)
    if not classes.any():
        return
    last = scores.shape[-1] - 1
    if not is_blank_known and (classes == last).all():
        raise ArtifactError(
            f"{where}: which class is the blank cannot be told: expected class 0 in a line without "
            f"writing, got the last one, {last}, throughout; say it: python -m export adopt "
            f"{where} --output NEW.onnx --blank last (docTR, OpenVINO), or --blank first if such "
            f"lines do read as {characters[-1]!r}"
        )
    read = []
    for name, line in zip(LEVELS, classes, strict=True):
        if line.any():
            counted = np.unique(line[line != 0])[:_MOST_SHOWN]
            shown = ", ".join(f"{characters[index - 1]!r} (class {index})" for index in counted)
            read.append(f"{name} as {shown}")
    logger.warning(
        "%s: lines without writing are not read as blank, but %s: if the text is wrong, the list "
        "of characters, the place of the blank or the normalisation may be another's; see python "
        "-m export adopt --help",
        where,
        "; ".join(read),
    )
