"""Two forms of a network held against each other."""

import numpy as np
import pytest

from export.proof.compare import Parity, compare_forms, require
from export.proof.forms import Outputs, ProbabilityForm
from runtime.errors import ArtifactError, ParityError
from runtime.recognition.spec import RecognizerSpec, WidthPolicy

SPEC = RecognizerSpec(characters=("a", "b"), width=WidthPolicy(32, 32, 320))
LINES = [np.full((32, width, 3), 255, np.uint8) for width in (20, 50, 90, 300)]


def compare(reference, candidate, spec, lines, lines_from):
    """`compare_forms` of two functions from a normalised batch to probabilities."""
    forms = (ProbabilityForm(str(run), spec, run) for run in (reference, candidate))
    return compare_forms(*forms, spec, lines, lines_from).parity


def constant(class_index, confidence=0.8):
    """Probabilities that say one class at every time step, whatever the line."""

    def run(batch):
        result = np.full((len(batch), batch.shape[3] // 8, 3), (1 - confidence) / 2, np.float32)
        result[:, :, class_index] = confidence
        return result

    return run


def test_equal_forms_agree_in_every_figure():
    parity = compare(constant(1), constant(1), SPEC, LINES, "lines")
    assert parity == Parity(4, 4, 0.0, "lines")
    require(parity, "a and b")


def test_figures_of_different_numbers_with_the_same_text():
    parity = compare(constant(1, 0.8), constant(1, 0.7), SPEC, LINES, "lines")
    assert (parity.num_equal_texts, parity.argmax_agreement) == (4, 1.0)
    assert parity.max_difference == pytest.approx(0.1, abs=1e-6)
    assert parity.mean_difference == pytest.approx((0.1 + 2 * 0.05) / 3, abs=1e-6)
    with pytest.raises(ParityError, match=r"difference of 0\.1 on lines"):
        require(parity, "a and b")
    require(parity, "a and b", tolerance=0.2)


def test_another_text_is_a_disagreement_however_close_the_numbers():
    parity = compare(constant(1, 0.34), constant(2, 0.34), SPEC, LINES, "lines")
    assert (parity.num_equal_texts, parity.argmax_agreement) == (0, 0.0)
    with pytest.raises(ParityError, match=r"0 of 4 texts equal, for example 'a' against 'b'"):
        require(parity, "a and b", tolerance=1.0)


def test_part_of_the_lines_and_time_steps():
    def wide_ones_differ(batch):
        result = constant(1)(batch)
        if batch.shape[3] > 200:
            result[:, :10] = constant(0)(batch)[:, :10]
        return result

    parity = compare(constant(1), wide_ones_differ, SPEC, LINES, "lines")
    steps = [4, 8, 12, 40]
    assert parity.num_equal_texts == 4, "a blank before a character changes nothing"
    assert parity.argmax_agreement == pytest.approx(1 - 10 / sum(steps))


def test_nan_is_a_difference_and_is_no_number_in_json():
    def poisoned(batch):
        return np.full((len(batch), batch.shape[3] // 8, 3), np.nan, np.float32)

    parity = compare(constant(1), poisoned, SPEC, LINES, "lines")
    assert parity.max_difference == np.inf
    assert parity.as_json()["max_difference"] is None
    with pytest.raises(ParityError):
        require(parity, "a and b", tolerance=1e9)


def test_lines_come_back_in_their_order():
    comparison = compare_forms(
        ProbabilityForm("a", SPEC, constant(1)),
        ProbabilityForm("b", SPEC, constant(1, 0.75)),
        SPEC,
        LINES[::-1],
        "lines",
    )
    assert [line.position for line in comparison.lines] == [0, 1, 2, 3]
    assert {line.expected for line in comparison.lines} == {"a"}


class BestPathForm:
    """As an engine: only the best path leaves it."""

    name, is_exact = "engine", False

    def read(self, lines, width_px):
        shape = (len(lines), width_px // 8)
        return Outputs(np.ones(shape, np.int64), np.full(shape, 0.75, np.float32), None)


def test_an_engine_is_compared_on_its_best_path():
    reference = ProbabilityForm("onnx", SPEC, constant(1, 0.8))
    parity = compare_forms(reference, BestPathForm(), SPEC, LINES, "lines").parity
    assert (parity.compares, parity.num_equal_texts) == ("best path", 4)
    assert parity.max_difference == pytest.approx(0.05, abs=1e-6)


def test_forms_of_other_shapes_are_refused():
    with pytest.raises(ParityError, match="disagree on the output's shape"):
        compare(constant(1), lambda batch: constant(1)(batch)[:, ::2], SPEC, LINES, "lines")
    with pytest.raises(ArtifactError, match="not a CTC recogniser"):
        compare(constant(1), lambda batch: constant(1)(batch)[0], SPEC, LINES, "lines")
