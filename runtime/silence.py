"""Output that goes nowhere for a while, whatever language writes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDOUT, STDERR = 1, 2

_OPENCV_LOGS_NOTHING = 0


def silence_opencv() -> None:
    """Let OpenCV keep to itself what is wrong with an image: it stands in the image's result."""
    import cv2

    # `cv2.utils.logging` came with 4.13; `cv2.setLogLevel`, which went with 5, does the same.
    if hasattr(cv2.utils, "logging"):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    else:
        cv2.setLogLevel(_OPENCV_LOGS_NOTHING)  # type: ignore[attr-defined]


@contextmanager
def silenced(*descriptors: int) -> Iterator[None]:
    """Let what this process writes to `STDOUT` or `STDERR` go nowhere, also by compiled code."""
    _flush()
    kept = {number: os.dup(number) for number in descriptors if _is_open(number)}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in kept:
        os.dup2(nowhere, number)
    os.close(nowhere)
    try:
        yield
    finally:
        _flush()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # as without a console
            stream.flush()
