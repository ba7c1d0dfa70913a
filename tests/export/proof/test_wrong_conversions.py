"""Conversions that are wrong in one place are refused, and faithful ones are not.

What it takes to be told, measured on 32 rendered lines, as times the draws of rounding on the
median line, and on the worst one where that decides (allowed: 4 and 16):

| change | models/latin | PaddleOCR's golden Student |
|---|---|---|
| none | 0.6 | 0.4 |
| one early layer 1e-3 / 1e-4 / 1e-5 / 1e-6 larger | 1070 / 107 / 10.6 / 1.2 | worst 16.1 / 0.5 |
| one late layer 1e-3 smaller | 1521 | 12 |
| hard-swish of slope 0.2 / 0.1667 | 34073 / 37 | 11 / 0.4 |
| BatchNorm's epsilon 1e-3 / 1e-4 / 2e-5 | 643 / 60 / 6 | worst 22 / 0.5 / 0.4 |
| weights in FP16: all / of one layer | 731 / 104 | 785 / 0.5 |
| a bias dropped, padding shifted, channels swapped | > 125000 | 95, 79, 80 |
| softmax or LSTM wrong | > 695000 | > 2880 |

The golden network's weights are random: its first layers hardly reach the output, and rounding
in the later ones hides what is wrong there by less than 1e-3; of its two wrong by 1e-3 that are
told here, one distance for all lines let both pass. A trained network tells 1e-5.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from export.chain import Source, spec_of_network, stripped_network
from export.contract import model_contract
from export.conversion.onnx_file import load_model
from export.conversion.strip import deployed_outputs
from export.proof.compare import compare
from export.proof.exact import drawn_forms, exact_form
from export.proof.forms import ScoreForm, run_of_onnx
from export.proof.rounding import measure_rounding
from export.recognition.samples import rendered_lines
from runtime.errors import ParityError
from runtime.recognition.spec import WidthPolicy
from tests.export.wrong_conversions import (
    CHANGES,
    ceiled_pool,
    changed,
    other_epsilon,
    scaled_layer,
)
from training.config import load_config

NUM_LINES = 8


@pytest.fixture(scope="module")
def latin():
    """Network, spec, lines and ONNX model of `models/latin`, which is trained."""
    config = load_config(Path("configs/latin/pair.yml"))
    source = Source(config, "models/latin/student.pdparams", "Student")
    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped)
    lines, _ = rendered_lines(spec.charset)
    samples = model_contract(spec).samples(lines[:NUM_LINES], "lines")
    return stripped, spec, samples, load_model(Path("models/latin/student.onnx"))


def _measured(latin, contents):
    stripped, spec, lines, _ = latin
    forms = [
        ScoreForm(name, model_contract(spec), run_of_onnx(content, spec))
        for name, content in contents.items()
    ]
    exact, draws = exact_form(stripped, spec), drawn_forms(stripped, spec)
    roundings = measure_rounding(exact, draws, forms, lines)
    return dict(zip(contents, roundings, strict=True))


def test_wrong_conversions_are_told_from_rounding(latin):
    stripped, _, _, model = latin
    variance = stripped.parameters["backbone.conv1._batch_norm._variance"]
    wrong = {name: changed(model, change) for name, change in CHANGES.items()}
    for epsilon in (1e-3, 1e-4):
        wrong[f"epsilon {epsilon:g}"] = changed(model, other_epsilon(variance, epsilon))
    right = {"right": model.SerializeToString()}
    roundings = _measured(latin, {**right, **wrong})
    assert roundings.pop("right").explains
    missed = {name: rounding.as_json() for name, rounding in roundings.items() if rounding.explains}
    assert not missed


def test_how_small_a_fault_is_seen(latin):
    model = latin[-1]
    contents = {size: changed(model, scaled_layer(1 + size)) for size in (3e-7, 3e-5)}
    roundings = _measured(latin, contents)
    assert {size: rounding.explains for size, rounding in roundings.items()} == {
        3e-7: True,
        3e-5: False,
    }


def test_a_pool_that_keeps_a_column_has_another_shape(latin):
    stripped, spec, lines, model = latin
    odd = replace(spec, width=WidthPolicy(66, 66, 66))  # 33 columns before the pool
    form = ScoreForm("ceil", model_contract(odd), run_of_onnx(changed(model, ceiled_pool), odd))
    paddle = ScoreForm("paddle", model_contract(odd), deployed_outputs(stripped.network))
    right = ScoreForm("right", model_contract(odd), run_of_onnx(model.SerializeToString(), odd))
    samples = model_contract(odd).samples(lines.images, "lines")
    assert compare(paddle, right, model_contract(odd), samples).num_equal == NUM_LINES
    with pytest.raises(ParityError, match="disagree on the output's shape"):
        compare(paddle, form, model_contract(odd), samples)


def test_other_kernels_and_batches_of_onnxruntime_are_no_fault(latin):
    import onnxruntime

    _, spec, _, model = latin
    content = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    usual = run_of_onnx(content, spec)

    def alone(batch):
        return np.concatenate([usual(batch[number : number + 1]) for number in range(len(batch))])

    def unoptimised(batch):
        return session.run(None, {spec.input_name: batch})[0]

    stripped, spec, lines, _ = latin
    forms = [ScoreForm("", model_contract(spec), run) for run in (alone, unoptimised)]
    exact, draws = exact_form(stripped, spec), drawn_forms(stripped, spec)
    for rounding in measure_rounding(exact, draws, forms, lines):
        assert rounding.explains


def test_every_change_gives_a_valid_model(latin):
    for change in (*CHANGES.values(), ceiled_pool):
        onnx.checker.check_model(onnx.load_model_from_string(changed(latin[-1], change)))
