"""Greedy CTC decoding, shared by training, evaluation and serving.

Source: Graves et al. 2006, best-path decoding; details as PaddleOCR's `CTCLabelDecode`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.recognition.charset import BLANK_INDEX, Charset


class DecodedLine(NamedTuple):
    """A decoded line.

    Args:
        text: the decoded characters.
        confidence: mean probability of the characters; 0.0 without any.
        character_confidences: probability of each character of `text`.
        time_steps: first time step (0 .. T-1) at which each character of `text` was emitted.
        last_time_steps: last time step at which it was emitted without interruption.
    """

    text: str
    confidence: float
    character_confidences: tuple[float, ...]
    time_steps: tuple[int, ...]
    last_time_steps: tuple[int, ...] = ()


def best_path(probabilities: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the largest class and its value per time step: float [N, T, K] -> two [N, T]."""
    indices = probabilities.argmax(axis=-1)
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    values = rows[np.arange(len(rows)), indices.reshape(-1)]
    return indices, values.reshape(indices.shape)


def best_path_of_logits(
    logits: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the largest class and its softmax probability at every time step.

    The largest class has the probability `1 / sum(exp(x - max))`, so no softmax is stored; the
    exponentials of a single line are held at a time.

    Args:
        logits: float [N, T, K].

    Returns:
        integer [N, T] and float32 [N, T].
    """
    indices, largest = best_path(logits)
    values = np.empty(indices.shape, dtype=np.float32)
    exponentials = np.empty(logits.shape[1:], dtype=np.float32)
    for line, line_largest, line_values in zip(logits, largest, values, strict=True):
        np.subtract(line, line_largest[:, np.newaxis], out=exponentials)
        np.exp(exponentials, out=exponentials)
        np.divide(1, exponentials.sum(axis=-1), out=line_values)
    return indices, values


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert logits to probabilities: float [N, T, K] -> float32 [N, T, K]."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials.astype(np.float32, copy=False)


def decode_best_path(
    indices: NDArray[np.integer], values: NDArray[np.floating], charset: Charset
) -> list[DecodedLine]:
    """Collapse best paths into text.

    Repeats are dropped before blanks, so a double character needs a blank in between.

    Args:
        indices: class at each time step, integer [N, T].
        values: probability of this class, float [N, T].
        charset: K - 1 characters.

    Returns:
        N decoded lines.
    """
    decoded = []
    # In a line's few steps a loop takes two thirds of the time that array operations take.
    for path, path_values in zip(indices.tolist(), values, strict=True):
        first, last, previous = [], [], BLANK_INDEX
        for step, index in enumerate(path):
            if index != previous:
                if previous != BLANK_INDEX:
                    last.append(step - 1)
                if index != BLANK_INDEX:
                    first.append(step)
                previous = index
        if previous != BLANK_INDEX:
            last.append(len(path) - 1)
        confidences = path_values[first]
        decoded.append(
            DecodedLine(
                text=charset.text_of([path[step] for step in first]),
                confidence=float(confidences.mean()) if first else 0.0,
                character_confidences=tuple(confidences.tolist()),
                time_steps=tuple(first),
                last_time_steps=tuple(last),
            )
        )
    return decoded
