from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from runtime.recognition.charset import Charset
from runtime.recognition.ctc import best_path, best_path_of_logits, decode_best_path, softmax

CHARSET = Charset(tuple("abc "))


def reference_text(path: list[int]) -> str:
    """Greedy CTC as the paper states it: merge repeats, then drop blanks."""
    return "".join(CHARSET.characters[index - 1] for index, _ in groupby(path) if index != 0)


@given(
    st.integers(1, 20).flatmap(
        lambda steps: st.lists(
            st.lists(st.integers(0, 4), min_size=steps, max_size=steps), min_size=1, max_size=5
        )
    ),
    st.integers(0, 2**32 - 1),
)
def test_decoding_equals_the_reference(paths: list[list[int]], seed: int) -> None:
    indices = np.array(paths)
    values = np.random.default_rng(seed).random(indices.shape).astype(np.float32)
    decoded = decode_best_path(indices, values, CHARSET)
    assert np.array_equal(indices, np.array(paths)), "the input is left as it was"
    for path, line_values, line in zip(paths, values, decoded, strict=True):
        assert line.text == reference_text(path)
        firsts = [t for t, now in enumerate(path) if now != 0 and (t == 0 or path[t - 1] != now)]
        assert list(line.time_steps) == firsts
        lasts = [
            t for t, now in enumerate(path) if now and (t + 1 == len(path) or path[t + 1] != now)
        ]
        assert list(line.last_time_steps) == lasts
        expected = [float(line_values[t]) for t in firsts]
        assert list(line.character_confidences) == pytest.approx(expected)
        mean = sum(expected) / len(expected) if expected else 0.0
        assert line.confidence == pytest.approx(mean)


def test_a_double_letter_needs_a_blank_between() -> None:
    indices = np.array([[1, 1, 0, 1, 2, 2], [1, 1, 1, 1, 2, 2]])
    values = np.ones(indices.shape, dtype=np.float32)
    assert [line.text for line in decode_best_path(indices, values, CHARSET)] == ["aab", "ab"]


def test_nothing_read_is_an_empty_text_of_no_confidence() -> None:
    (line,) = decode_best_path(np.zeros((1, 4), int), np.ones((1, 4), np.float32), CHARSET)
    assert (line.text, line.confidence, line.time_steps) == ("", 0.0, ())
    assert line.last_time_steps == ()


def exact_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(2, 40), st.integers(0, 999))
def test_logits_give_the_probabilities_of_a_softmax(n: int, t: int, k: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 30, (n, t, k)).astype(np.float32)
    indices, values = best_path_of_logits(logits)
    expected_indices, expected_values = best_path(exact_softmax(logits).astype(np.float32))
    assert np.array_equal(indices, expected_indices)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected_values, rtol=1e-5)
    assert softmax(logits).dtype == np.float32
    np.testing.assert_allclose(softmax(logits), exact_softmax(logits), rtol=1e-4, atol=1e-7)


def test_large_logits_do_not_overflow() -> None:
    logits = np.array([[[1e30, -1e30, 0.0]]], dtype=np.float32)
    _, values = best_path_of_logits(logits)
    assert values.tolist() == [[1.0]]
