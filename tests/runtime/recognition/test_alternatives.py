"""The most probable texts: against every path there is, and through the whole reading."""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from runtime import EngineError, OcrError, Recognizer, RecognizerSpec, find_images
from runtime.recognition.alternatives import most_probable_texts
from runtime.recognition.charset import Charset
from tests.runtime.recognition.test_recognizer import EchoSession

Lines = list[NDArray[np.uint8]]
IMAGES = Path(__file__).parents[3] / "images"
AB = Charset(("a", "b"))


def every_text(probabilities: NDArray[np.float64], charset: Charset) -> Counter[str]:
    """Text -> probability, by walking all K ** T paths."""
    texts: Counter[str] = Counter()
    steps, classes = probabilities.shape
    for path in itertools.product(range(classes), repeat=steps):
        probability = math.prod(probabilities[step, one] for step, one in enumerate(path))
        merged = [one for one, _ in itertools.groupby(path) if one]
        texts[charset.text_of(merged)] += probability  # type: ignore[assignment]
    return texts


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_best_of_all_texts(seed: int, steps: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet([0.4] * 3, steps)
    every = every_text(probabilities, AB)
    # As many as there are, so that the beam holds every prefix and the sums are exact.
    found = most_probable_texts(probabilities, AB, 3**steps)
    for match in found:
        assert match.probability == pytest.approx(every[match.text], abs=1e-4)
    values = [one.probability for one in found]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(max(every.values()), abs=1e-4)
    assert sum(values) == pytest.approx(1, abs=1e-3)


def test_many_paths_outweigh_the_single_best_one() -> None:
    """Blank twice is the best path; `a` has three paths."""
    probabilities = np.array([[0.55, 0.45], [0.55, 0.45]])
    first, second = most_probable_texts(probabilities, Charset(("a",)), 5)
    assert (first.text, second.text) == ("a", "")
    assert first.probability == pytest.approx(0.45 * 0.45 + 2 * 0.45 * 0.55)
    assert second.probability == pytest.approx(0.55 * 0.55)


def test_a_double_letter_needs_a_blank_between() -> None:
    probabilities = np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])
    texts = dict(most_probable_texts(probabilities, AB, 3))
    assert texts == {"a": pytest.approx(0.5), "aa": pytest.approx(0.5)}


def test_two_classes_of_one_character_are_one_text() -> None:
    probabilities = np.array([[0.1, 0.5, 0.4]])
    space, nothing = most_probable_texts(probabilities, Charset((" ", " ")), 3)
    assert space == (" ", pytest.approx(0.9)) and nothing == ("", pytest.approx(0.1))


def test_right_to_left_texts_come_in_reading_order() -> None:
    probabilities = np.eye(3)[[1, 0, 2]]
    ((text, _),) = most_probable_texts(probabilities, Charset(("א", "ב")), 1)
    assert text == "בא"


def test_a_long_line_of_doubts_is_no_zero_divided_by_zero() -> None:
    probabilities = np.full((3000, 3), 1 / 3)
    found = most_probable_texts(probabilities, AB, 2)
    assert len(found) == 2 and all(0 <= match.probability <= 1 for match in found)


@pytest.mark.parametrize("softmax", [True, False])
def test_the_reading_stays_the_same_to_the_bit(
    toy_model: Callable[..., Path],
    make_spec: Callable[..., RecognizerSpec],
    line_images: Lines,
    softmax: bool,
) -> None:
    pytest.importorskip("onnxruntime")
    spec = make_spec(output_activation="softmax" if softmax else "none")
    model = toy_model(spec=spec, softmax=softmax)
    for compat in (None, "paddleocr3"):
        with Recognizer(model, device="cpu", compat=compat) as without:
            expected = without(line_images)
        with Recognizer(model, device="cpu", compat=compat, alternatives=3) as asked:
            got = asked(line_images)
        for one, wanted in zip(got, expected, strict=True):
            assert wanted.alternatives == ()
            assert repr(one).replace(repr(one.alternatives), "()") == repr(wanted)
            assert 1 <= len(one.alternatives) <= 3
            values = [alternative.probability for alternative in one.alternatives]
            assert values == sorted(values, reverse=True) and 0 <= values[-1] <= values[0] <= 1


def test_a_real_network_s_first_alternative_mostly_is_what_is_read() -> None:
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:
        pytest.skip("its model is read")
    model = Path(found.origin).parent / "models" / "PP-OCRv6_rec_small.onnx"
    with Recognizer(model, device="cpu", alternatives=2) as recognizer:
        read = recognizer([*find_images([IMAGES])][:10])
    assert sum(line.text == line.alternatives[0].text for line in read) >= 8
    assert all(0 < line.alternatives[0].probability <= 1 for line in read)
    assert all(one.text != other.text for one, other in (line.alternatives for line in read))


def test_an_unread_image_has_none(toy_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with Recognizer(toy_path, device="cpu", alternatives=2) as recognizer:
        (failed,) = recognizer([b""])
    assert failed.error is not None and failed.alternatives == ()


def test_a_session_that_gives_the_best_class_alone_is_refused(spec: RecognizerSpec) -> None:
    with pytest.raises(EngineError, match=r"no alternatives from echo: .* the \.onnx file"):
        Recognizer(EchoSession(spec), alternatives=2)
    with pytest.raises(OcrError, match="at least 0, got -1"):
        Recognizer(EchoSession(spec), alternatives=-1)
