"""Small networks of every family: outputs, losses, gradients, steps as PaddleOCR computes them."""

from __future__ import annotations

from typing import Any

import pytest
from paddle import nn

from tests.families import Case, flattened, load_weights
from tests.family_checks import (
    assert_merged,
    assert_outputs,
    assert_steps,
    assert_trains,
    case_of,
    evaluated,
    merged_model,
    small_cases,
)
from training import build_post_process


@pytest.fixture(**small_cases("rec"))
def case(request: Any) -> Case:
    return case_of(request.param)


@pytest.fixture(scope="module")
def model(case: Case) -> nn.Layer:
    model = case.model()
    report = load_weights(model, case.folder)
    assert not report.unused
    assert all(name.endswith("positional_encoding.pe") for name in report.missing)
    return model


def test_evaluation_and_its_text(case: Case, model: nn.Layer) -> None:
    outputs = evaluated(model, case)
    assert_outputs(outputs, case.outputs["eval"], 1e-5)
    got = dict(flattened(outputs))
    decode = build_post_process(
        {"name": "CTCLabelDecode"},
        {"character_dict_path": str(case.folder / "dict.txt"), "use_space_char": True},
    )
    for network, lines in case.decoded.items():
        path = f"{network}/head_out" if network else ""
        read = decode(got[path])
        assert [text for text, _ in read] == [text for text, _ in lines]
        assert [confidence for _, confidence in read] == pytest.approx(
            [confidence for _, confidence in lines], abs=1e-4
        )


def test_training(case: Case, model: nn.Layer) -> None:
    assert_trains(case, model)


def test_two_steps_of_the_optimizer(case: Case, model: nn.Layer) -> None:
    assert_steps(case, model)


def test_merged_layers_read_alike(case: Case) -> None:
    merged, num_merged = merged_model(case)
    if "export_layers_merged" in case.expected:
        assert num_merged == case.expected["export_layers_merged"]
    assert_merged(case, merged)
