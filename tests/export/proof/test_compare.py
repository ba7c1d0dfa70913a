"""Two forms of a network held against each other."""

import numpy as np
import pytest

from export.proof.compare import Agreement, compare, require
from export.proof.forms import ScoreForm
from export.proof.outputs import Outputs
from export.recognition.contract import RecognizerContract
from runtime.errors import ArtifactError, ParityError
from runtime.recognition.spec import RecognizerSpec, WidthPolicy

SPEC = RecognizerSpec(characters=("a", "b"), width=WidthPolicy(32, 32, 320))
LINES = [np.full((32, width, 3), 255, np.uint8) for width in (20, 50, 90, 300)]
CONTRACT = RecognizerContract(SPEC)
SAMPLES = CONTRACT.samples(LINES, "lines")


def compared(reference, candidate, tie_tolerance=0.0) -> Agreement:
    """`compare` of two functions from a normalised batch to probabilities."""
    forms = (ScoreForm(str(run), CONTRACT, run) for run in (reference, candidate))
    return compare(*forms, CONTRACT, SAMPLES, tie_tolerance)


def constant(class_index, confidence=0.8):
    """Probabilities that say one class at every time step, whatever the line."""

    def run(batch):
        result = np.full((len(batch), batch.shape[3] // 8, 3), (1 - confidence) / 2, np.float32)
        result[:, :, class_index] = confidence
        return result

    return run


def test_equal_forms_agree_in_every_figure():
    agreement = compared(constant(1), constant(1))
    assert (agreement.num_equal, agreement.num_samples, agreement.max_difference) == (4, 4, 0.0)
    assert agreement.samples_from == "lines" and agreement.is_equal and not agreement.example
    require(agreement, "a and b")


def test_figures_of_different_numbers_with_the_same_text():
    agreement = compared(constant(1, 0.8), constant(1, 0.7))
    assert (agreement.num_equal, agreement.num_equal_decisions) == (4, agreement.num_decisions)
    assert agreement.max_difference == pytest.approx(0.1, abs=1e-6)
    assert agreement.mean_difference == pytest.approx((0.1 + 2 * 0.05) / 3, abs=1e-6)
    with pytest.raises(ParityError, match=r"difference of 0\.1 on lines"):
        require(agreement, "a and b")
    require(agreement, "a and b", tolerance=0.2)


def test_another_text_is_a_disagreement_however_close_the_numbers():
    agreement = compared(constant(1, 0.34), constant(2, 0.34))
    assert (agreement.num_equal, agreement.num_equal_decisions) == (0, 0)
    with pytest.raises(ParityError, match=r"0 of 4 readings equal, for example 'a' against 'b'"):
        require(agreement, "a and b", tolerance=1.0)


def test_part_of_the_lines_and_time_steps():
    def wide_ones_differ(batch):
        result = constant(1)(batch)
        if batch.shape[3] > 200:
            result[:, :10] = constant(0)(batch)[:, :10]
        return result

    agreement = compared(constant(1), wide_ones_differ)
    steps = [4, 8, 12, 40]
    assert agreement.num_equal == 4, "a blank before a character changes nothing"
    assert agreement.num_decisions - agreement.num_equal_decisions == 10
    assert agreement.num_decisions == sum(steps)


def test_nan_is_a_difference_and_is_no_number_in_json():
    def poisoned(batch):
        return np.full((len(batch), batch.shape[3] // 8, 3), np.nan, np.float32)

    agreement = compared(constant(1), poisoned)
    assert agreement.max_difference == np.inf
    assert agreement.as_json()["max_difference"] is None
    with pytest.raises(ParityError):
        require(agreement, "a and b", tolerance=1e9)


def test_samples_come_back_in_their_order():
    samples = CONTRACT.samples(LINES[::-1], "lines")
    forms = (ScoreForm("a", CONTRACT, constant(1)), ScoreForm("b", CONTRACT, constant(1, 0.75)))
    agreement = compare(*forms, CONTRACT, samples)
    assert [sample.position for sample in agreement.samples] == [0, 1, 2, 3]
    assert {sample.expected for sample in agreement.samples} == {"a"}


def test_a_tie_is_where_the_reference_hardly_preferred_its_own():
    near = compared(constant(1, 0.34), constant(2, 0.34), tie_tolerance=0.02)
    assert (near.num_equal, near.num_ties, near.differences) == (0, 4, [])
    assert near.is_equal and near.samples[0].margin == pytest.approx(0.01, abs=1e-6)
    far = compared(constant(1, 0.8), constant(2, 0.34), tie_tolerance=0.02)
    assert far.num_ties == 0 and len(far.differences) == 4
    assert far.most_disputed == pytest.approx(0.7, abs=1e-6)
    assert far.as_json()["differences"][0]["margin"] == pytest.approx(0.7, abs=1e-6)


class BestPathForm:
    """As an engine: only the best path leaves it."""

    name, is_exact = "engine", False

    def read(self, batch):
        shape = (len(batch.lines), batch.width_px // 8)
        confidences, texts = np.full(shape, 0.75, np.float32), ["a"] * len(batch.lines)
        return Outputs(confidences, np.ones(shape, np.int64), texts, is_whole=False)


def test_an_engine_is_compared_on_its_best_path():
    reference = ScoreForm("onnx", CONTRACT, constant(1, 0.8))
    agreement = compare(reference, BestPathForm(), CONTRACT, SAMPLES)
    assert (agreement.compares, agreement.num_equal) == ("best path", 4)
    assert agreement.max_difference == pytest.approx(0.05, abs=1e-6)


def test_forms_of_other_shapes_are_refused():
    with pytest.raises(ParityError, match="disagree on the output's shape"):
        compared(constant(1), lambda batch: constant(1)(batch)[:, ::2])
    with pytest.raises(ArtifactError, match="not a CTC recogniser"):
        compared(constant(1), lambda batch: constant(1)(batch)[0])


def test_a_proof_on_lines_that_read_alike_is_called_vacuous():
    agreement = compared(constant(1), constant(1))
    assert agreement.is_vacuous and agreement.as_json()["is_vacuous"]
    assert "all 4 images read alike, as 'a', which shows little" in agreement.caution
    assert "read alike, as ''" in compared(constant(0), constant(0)).caution

    def by_width(batch):
        return constant(1 + (batch.shape[3] > 100))(batch)

    agreement = compared(by_width, by_width)
    assert not agreement.is_vacuous and not agreement.caution
    # One line says nothing of others.
    single = Agreement(agreement.samples[:1], "a line")
    assert not single.is_vacuous
