"""Milliseconds from a map of probabilities to its boxes, beside RapidOCR's."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.contender import BOXES
from benchmarks.measuring.result import Measure, measure
from runtime.detection.boxes import find_boxes

HEIGHT_PX, WIDTH_PX = 1600, 1184
NUM_COLUMNS, NUM_ROWS = 5, 100


def map_of_lines(height: int = HEIGHT_PX, width: int = WIDTH_PX) -> NDArray[np.float32]:
    """Draw a map of 500 lines in five columns, float32 [H, W], each a little askew."""
    rng = np.random.default_rng(5)
    canvas = np.zeros((height, width), dtype=np.float32)
    pitch = height / NUM_ROWS
    for column in range(NUM_COLUMNS):
        for row in range(NUM_ROWS):
            length = rng.uniform(0.5, 0.85) * width / NUM_COLUMNS
            centre = (column * width / NUM_COLUMNS + 8 + length / 2, (row + 0.5) * pitch)
            outline = cv2.boxPoints((centre, (length, 0.3 * pitch), float(rng.uniform(-2, 2))))
            cv2.fillPoly(canvas, [outline.astype(np.int32)], float(rng.uniform(0.85, 1)))
    return cv2.GaussianBlur(canvas, (0, 0), 1.0).astype(np.float32, copy=False)


def tracing(rounds: int) -> Iterator[Measure]:
    """Measure both in alternation on one thread, in CPU time, which neighbours disturb least.

    Args:
        rounds: of each.
    """
    probability = map_of_lines()
    size = probability.shape
    contenders: dict[str, Callable[[], int]] = {
        "ours": lambda: len(find_boxes(probability, size, BOXES).points)
    }
    if importlib.util.find_spec("rapidocr") is not None:
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        theirs = DBPostProcess(
            thresh=BOXES.thresh,
            box_thresh=BOXES.box_thresh,
            max_candidates=BOXES.max_candidates,
            unclip_ratio=BOXES.unclip_ratio,
        )
        batch = probability[np.newaxis, np.newaxis]
        contenders["rapidocr"] = lambda: len(theirs(batch, size)[0])
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, trace in contenders.items():
            begin = time.thread_time()
            num_boxes = trace()
            if number:  # the first round only warms up
                spent[name].append(1000 * (time.thread_time() - begin))
            if num_boxes != NUM_COLUMNS * NUM_ROWS:
                raise AssertionError(f"{name} traced {num_boxes} boxes")
    cv2.setNumThreads(threads)
    for name, milliseconds in spent.items():
        yield measure(f"tracing 500 lines / {name} / CPU time", "ms", "lower", milliseconds)
