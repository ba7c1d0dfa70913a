"""Forced alignment: the likeliest path through a CTC network's outputs that spells a given text.

All lines of a batch are aligned at once, step by step in NumPy: 64 lines of 25 characters and 80
steps take a few milliseconds, which no compiled loop would shorten noticeably.

Source: Graves et al. 2006, the best path among those of equation 6; Viterbi 1967.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.recognition.labels import padded_labels


def steps_needed(label: Sequence[int]) -> int:
    """Return the least time steps that spell a label: repeats need a blank between them."""
    return len(label) + sum(first == second for first, second in pairwise(label))


def spikes(
    blanks: NDArray[np.floating], symbols: NDArray[np.floating], labels: Sequence[Sequence[int]]
) -> NDArray[np.int64]:
    """Find, for each character of each text, the time step at which it is most probable.

    Only time steps of the likeliest path through the whole text count, at which the path is in
    that character.

    Args:
        blanks: log-probability of the blank at each step, finite [N, T].
        symbols: log-probability of each character of each text, finite [N, T, L]; beyond a text's
            end anything.
        labels: classes of each text, 1 to L of them, none of which needs more than T steps.

    Returns:
        int64 [N, L], -1 beyond a text's end.
    """
    num, num_steps, longest = symbols.shape
    lengths = np.array([len(label) for label in labels])
    path = _best_path(blanks, symbols, padded_labels(labels, longest), lengths)
    found = np.full((num, longest), -1, np.int64)
    highest = np.full((num, longest), -np.inf)
    lines = np.arange(num)
    for step in range(num_steps):
        state = path[:, step]
        is_symbol = state % 2 == 1
        rows, places = lines[is_symbol], state[is_symbol] // 2
        values = symbols[rows, step, places]
        is_higher = values > highest[rows, places]
        rows, places = rows[is_higher], places[is_higher]
        highest[rows, places] = values[is_higher]
        found[rows, places] = step
    return found


def _best_path(
    blanks: NDArray[np.floating],
    symbols: NDArray[np.floating],
    labels: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the state at each time step, int64 [N, T]: even ones are blanks between symbols."""
    num, num_steps, longest = symbols.shape
    num_states = 2 * longest + 1
    lines = np.arange(num)
    may_skip = np.zeros((num, num_states), np.bool_)
    may_skip[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    is_beyond = np.arange(num_states) > 2 * lengths[:, None]

    def scores_at(step: int) -> NDArray[np.float64]:
        scores = np.empty((num, num_states))
        scores[:, 0::2] = blanks[:, step, None]
        scores[:, 1::2] = symbols[:, step]
        scores[is_beyond] = -np.inf
        return scores

    best = np.full((num, num_states), -np.inf)
    best[:, :2] = scores_at(0)[:, :2]
    came_from = np.zeros((num_steps, num, num_states), np.int8)
    for step in range(1, num_steps):
        ways = np.full((3, num, num_states), -np.inf)
        ways[0] = best
        ways[1, :, 1:] = best[:, :-1]
        ways[2, :, 2:] = np.where(may_skip[:, 2:], best[:, :-2], -np.inf)
        came_from[step] = ways.argmax(axis=0)
        best = ways.max(axis=0) + scores_at(step)
    path = np.empty((num, num_steps), np.int64)
    in_blank, in_symbol = best[lines, 2 * lengths], best[lines, 2 * lengths - 1]
    state = np.where(in_blank >= in_symbol, 2 * lengths, 2 * lengths - 1)
    for step in range(num_steps - 1, -1, -1):
        path[:, step] = state
        state = state - came_from[step, lines, state]
    return path
