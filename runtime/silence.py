"""Silences output, also that of compiled code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDOUT, STDERR = 1, 2

_OPENCV_LOGS_NOTHING = 0


def silence_opencv() -> None:
    """Keep OpenCV from printing errors of images; the image's result holds the reason."""
    import cv2

    # `cv2.utils.logging` came with 4.13; `cv2.setLogLevel`, which went with 5, does the same.
    if hasattr(cv2.utils, "logging"):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    else:
        cv2.setLogLevel(_OPENCV_LOGS_NOTHING)  # type: ignore[attr-defined]


@contextmanager
def silenced(*descriptors: int) -> Iterator[None]:
    """Discard what this process, compiled code included, writes to `STDOUT` or `STDERR`."""
    _flush()
    kept = {number: os.dup(number) for number in descriptors if is_open(number)}
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


def is_open(number: int) -> bool:
    """Tell whether a file descriptor is open."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None without a console
            stream.flush()
