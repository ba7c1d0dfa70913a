"""Forced alignment against all paths, one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from training.recognition.teacher.alignment import spikes, steps_needed


def spikes_by_trial(
    scores: NDArray[np.float64], label: tuple[int, ...]
) -> tuple[float, list[list[int]]]:
    """The best path's score, and the steps of each character of every path that has it.

    Args:
        scores: log-probabilities [T, K].
        label: classes.
    """
    best, found = -np.inf, []
    for path in product(sorted({0, *label}), repeat=len(scores)):
        runs: list[tuple[int, list[int]]] = []
        for step, symbol in enumerate(path):
            if step and symbol == path[step - 1]:
                runs[-1][1].append(step)
            else:
                runs.append((symbol, [step]))
        written = [run for run in runs if run[0]]
        if tuple(symbol for symbol, _ in written) != label:
            continue
        score = sum(scores[step, symbol] for step, symbol in enumerate(path))
        if score > best:
            best, found = score, [steps for _, steps in written]
    return best, found


@pytest.mark.parametrize("label", [(1,), (1, 2), (2, 2), (1, 2, 1), (1, 1, 2), (3, 3, 3)])
def test_spikes_are_where_the_best_path_is_surest(label: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(label) + len(label))
    for _ in range(10):
        logits = rng.normal(0, 2, (6, 4))
        scores = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        _, steps = spikes_by_trial(scores, label)
        expected = [
            max(of_character, key=lambda step: scores[step, symbol])
            for of_character, symbol in zip(steps, label, strict=True)
        ]
        found = spikes(scores[None, :, 0], scores[None][:, :, list(label)], [label])
        assert found.tolist() == [expected]


def test_lines_of_a_batch_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(4)
    labels = [(1, 2, 2), (3,), (2, 1)]
    scores = np.log(rng.dirichlet(np.ones(4), (3, 7)))
    symbols = np.zeros((3, 7, 3))
    for row, label in enumerate(labels):
        symbols[row, :, : len(label)] = scores[row][:, list(label)]
    together = spikes(scores[:, :, 0], symbols, labels)
    for row, label in enumerate(labels):
        alone = spikes(
            scores[row : row + 1, :, 0], scores[row : row + 1][:, :, list(label)], [label]
        )
        assert together[row, : len(label)].tolist() == alone[0].tolist()
        assert (together[row, len(label) :] == -1).all()


def test_steps_that_a_label_needs() -> None:
    assert [steps_needed(label) for label in ((), (1,), (1, 2), (1, 1), (1, 1, 1))] == [
        *(0, 1, 2, 3, 5)
    ]


def test_as_many_steps_as_are_needed() -> None:
    scores = np.log(np.full((1, 3, 2), 0.5))
    assert spikes(scores[:, :, 0], scores[:, :, [1, 1]], [(1, 1)]).tolist() == [[0, 2]]
