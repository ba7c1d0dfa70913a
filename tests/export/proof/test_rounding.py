"""A network that amplifies rounding is told from a conversion that is wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.chain import Source, spec_of_network, stripped_network
from export.contract import model_contract
from export.conversion.strip import deployed_outputs
from export.proof.compare import Agreement, ComparedSample
from export.proof.exact import drawn_forms, exact_form
from export.proof.forms import ScoreForm
from export.proof.rounding import (
    ALLOWED_TYPICAL,
    ALLOWED_WORST,
    RESOLUTION,
    UNDECIDED,
    Rounding,
    measure_rounding,
    nudged,
    nudged_inputs,
    require_explained,
    samples_to_draw,
)
from export.recognition.samples import rendered_lines
from runtime.errors import ParityError
from runtime.recognition.spec import RecognizerSpec

EQUAL = Agreement((ComparedSample(0, "a", "a", 1e-3),), "lines", max_difference=1e-3)


def _rounding(candidate, draws=1e-4) -> Rounding:
    candidate = np.asarray(candidate, np.float64)
    return Rounding(np.full((5, candidate.size), draws), candidate)


def test_every_line_is_held_against_its_own_draws():
    draws = np.tile(10.0 ** -np.arange(1, 7), (5, 1))
    assert Rounding(draws, draws[0] * 3).explains
    # One number for all lines would take the largest draw, and let the quiet lines be far off.
    assert not Rounding(draws, np.full(6, 0.1)).explains


def test_one_line_far_off_is_refused_and_so_are_all_a_little_off():
    right = np.full(64, 1e-4)
    one = right.copy()
    one[7] = 1.1 * ALLOWED_WORST * 1e-4
    assert _rounding(right * 1.3).explains
    assert not _rounding(one).explains
    assert not _rounding(right * 1.1 * ALLOWED_TYPICAL).explains


def test_distances_below_what_fp32_resolves_say_nothing():
    assert _rounding(np.full(8, RESOLUTION), draws=0.0).explains
    assert not _rounding(np.full(8, 1e-4), draws=0.0).explains


def test_what_is_not_a_number_is_never_explained(measured):
    stripped, spec, lines = measured
    form = ScoreForm("paddle", model_contract(spec), deployed_outputs(stripped.network))

    def broken(batch):
        result = form.run(batch).copy()
        result[0, 0, 0] = np.nan
        return result

    wrong = ScoreForm("broken", model_contract(spec), broken)
    (rounding,) = measure_rounding(form, [form], [wrong], lines)
    assert not rounding.explains
    assert rounding.as_json()["worst"] is None


def test_the_error_says_what_was_expected_and_got():
    with pytest.raises(ParityError, match=r"one and two disagree: .*4 times.*16.*got 10 and 10 "):
        require_explained(_rounding(np.full(8, 1e-3)), EQUAL, "one and two")
    drawn = _rounding(np.full(8, 2 * UNDECIDED), draws=2 * UNDECIDED)
    with pytest.raises(ParityError, match=r"cannot be compared: .*0\.2 on the median line"):
        require_explained(drawn, EQUAL, "one and two")
    require_explained(_rounding(np.full(8, 1e-4)), EQUAL, "one and two")


def test_samples_that_differ_are_drawn_and_some_from_everywhere():
    lines = [np.full((32, 32, 3), number % 256, np.uint8) for number in range(1000)]
    samples = model_contract(RecognizerSpec(characters=("a",))).samples(lines, "lines")
    compared = [
        ComparedSample(number, "a", "b" if number == 3 else "a", 1e-3 if number == 5 else 0.0)
        for number in range(1000)
    ]
    compared[9] = ComparedSample(9, "a", "a", float("nan"))
    drawn = samples_to_draw(samples, [Agreement(tuple(compared), "lines")])
    assert 64 <= len(drawn) <= 67
    assert {3, 5, 9} <= {int(line[0, 0, 0]) for line in drawn.images}


@given(
    arrays(
        np.float32,
        st.integers(1, 40),
        elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False),
    ),
    st.integers(0, 2**31),
)
def test_nudging_moves_to_a_neighbour_at_most_and_leaves_zeros(values, seed):
    moved = nudged(values, np.random.default_rng(seed))
    assert moved.dtype == np.float32
    assert (moved[values == 0] == 0).all()
    up, down = np.nextafter(values, np.float32(np.inf)), np.nextafter(values, np.float32(-np.inf))
    # At a power of two the neighbour towards zero is half as far as `spacing`.
    down2, up2 = np.nextafter(down, np.float32(-np.inf)), np.nextafter(up, np.float32(np.inf))
    assert ((moved >= down2) & (moved <= up2)).all()


@pytest.fixture(scope="module")
def measured(small_config, checkpoint):
    source = Source(small_config, checkpoint, "Student")
    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped)
    lines, _ = rendered_lines(spec.charset)
    return stripped, spec, model_contract(spec).samples(lines[:8], "lines")


def test_the_draws_differ_and_are_the_same_each_time(measured):
    stripped, spec, lines = measured
    exact = exact_form(stripped, spec)
    same = ScoreForm("same", model_contract(spec), deployed_outputs(stripped.network))
    first, second = (
        measure_rounding(exact, drawn_forms(stripped, spec), [same], lines)[0] for _ in range(2)
    )
    assert np.array_equal(first.draws, second.draws)
    (batch,) = lines.subset([0]).batches()
    outputs = [form.read(batch).values for form in drawn_forms(stripped, spec)]
    assert len({output.tobytes() for output in outputs}) == len(first.draws) == 5
    assert (first.draws > 0).all() and (first.draws < 1e-5).all()
    assert np.array_equal(first.candidate, first.draws[0])
    assert first.explains and first.is_decided


def test_a_line_that_falls_to_either_of_two_texts_is_drawn_wider(measured):
    stripped, spec, lines = measured
    form = ScoreForm("paddle", model_contract(spec), deployed_outputs(stripped.network))

    def falling(batch):
        result = form.run(batch).copy()
        result[0] = result[0, :, ::-1]  # of every batch the first line, to another text
        return result

    fallen = ScoreForm("fallen", model_contract(spec), falling)
    exact, draws = exact_form(stripped, spec), drawn_forms(stripped, spec)
    asked = []

    def widen(others):
        return lambda: asked.append(1) or others

    def measure(candidate, some, others):
        (told,) = measure_rounding(exact, draws, [candidate], some, widen(others))
        return told

    assert measure(form, lines, [fallen]).wider is None
    told = measure(fallen, lines.subset([0]), [fallen])
    assert not told.explains and told.wider is None, "the median line is off: no need to ask"
    assert not asked
    several = lines.subset([0] * 9)  # one batch, of which one line falls
    for others, is_explained in (([form, fallen], True), ([form], False)):
        told = measure(fallen, several, others)
        assert told.outliers.tolist() == [0]
        assert told.explains == is_explained
        assert told.as_json()["num_unstable"] == 1
    assert len(asked) == 2


@pytest.mark.parametrize("shift", [1e-5, 1e-3])
def test_a_shifted_form_is_told(measured, shift):
    stripped, spec, lines = measured
    run = deployed_outputs(stripped.network)
    shifted = ScoreForm(
        "shifted", model_contract(spec), lambda batch: run(batch) + np.float32(shift)
    )
    exact, draws = exact_form(stripped, spec), drawn_forms(stripped, spec)
    (rounding,) = measure_rounding(exact, draws, [shifted], lines)
    assert rounding.candidate == pytest.approx(shift, rel=0.2)
    assert not rounding.explains


def test_a_form_without_weights_is_drawn_by_its_inputs(measured):
    stripped, spec, lines = measured
    form = ScoreForm("paddle", model_contract(spec), deployed_outputs(stripped.network))
    others = drawn_forms(stripped, spec)[1:3]
    wrong = ScoreForm("wrong", model_contract(spec), lambda batch: form.run(batch * 1.01))
    roundings = measure_rounding(form, nudged_inputs(form), [*others, wrong], lines)
    assert [rounding.explains for rounding in roundings] == [True, True, False]
