"""Readings of a batch as outputs of a network: probabilities and logits of the run's classes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.recognition.teacher.lines import line, readings


def test_probabilities_of_every_class() -> None:
    batch = readings(line({1: 0.75}, {}), line({2: 0.5, 3: 0.5}))
    dense = batch.decodable()
    assert dense.shape == (2, 2, 4)
    assert dense[0] == pytest.approx(np.array([[0.25, 0.75, 0, 0], [1, 0, 0, 0]]), abs=1e-3)
    assert dense[1] == pytest.approx(np.array([[0, 0, 0.5, 0.5], [1, 0, 0, 0]]), abs=1e-3)
    assert batch.outputs() is batch


def test_what_is_the_teachers_alone_leaves_its_share_to_the_others() -> None:
    dense = readings(line({4: 0.6, 1: 0.3})).decodable()
    assert dense[0, 0] == pytest.approx([0.25, 0.75, 0, 0], abs=1e-3)


def test_the_rest_is_shared_evenly() -> None:
    reading = line({1: 0.8})
    reading.probabilities[0, 1] = 0.0  # the blank's 0.2 are not among what was kept
    dense = readings(reading).decodable()
    assert dense[0, 0] == pytest.approx([0.05, 0.85, 0.05, 0.05], abs=1e-3)


def test_logits_have_the_steps_of_a_network() -> None:
    batch = readings(line({1: 1.0}, {}), line({2: 1.0}), num_steps=3)
    logits = batch.logits().numpy()
    assert logits.shape == (2, 3, 4)
    assert np.exp(logits).sum(axis=-1) == pytest.approx(np.ones((2, 3)), abs=1e-4)
    assert logits.argmax(axis=-1).tolist() == [[1, 0, 0], [2, 0, 0]]
    assert np.isfinite(logits).all()
