"""Small networks of every family: outputs, losses, gradients, steps as PaddleOCR computes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from tests.beside import PADDLEOCR_NUMBERS
from tests.families import Case, flattened, load_weights, read_case
from training import build_post_process
from training.backbones.reparameterise import reparameterise
from training.optimizer import read_optimizer
from training.registry import Problems

FOLDERS = sorted([*PADDLEOCR_NUMBERS.glob("families/rec_*"), *PADDLEOCR_NUMBERS.glob("v6/rec_*")])


@pytest.fixture(
    scope="module", params=FOLDERS or [None], ids=lambda path: path.name if path else "none"
)
def case(request: Any) -> Case:
    if request.param is None:
        pytest.skip(
            f"no cases of PaddleOCR at {PADDLEOCR_NUMBERS}; name their folder in DISTILREC_GOLDEN"
        )
    return read_case(request.param)


@pytest.fixture(scope="module")
def model(case: Case) -> nn.Layer:
    model = case.model()
    report = load_weights(model, case.folder)
    assert not report.unused
    assert all(name.endswith("positional_encoding.pe") for name in report.missing)
    return model


def largest_difference(got: Any, wanted: Any) -> float:
    return float(np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max()))


def test_evaluation_and_its_text(case: Case, model: nn.Layer) -> None:
    model.eval()
    with paddle.no_grad():
        outputs = model(paddle.to_tensor(case.batch["image"]))
    got = dict(flattened(outputs))
    assert set(got) == set(case.outputs["eval"])
    for name, wanted in case.outputs["eval"].items():
        assert largest_difference(got[name], wanted) < 1e-5, name
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
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    model.train()
    batch = case.tensors()
    outputs = model(batch["image"], batch)
    got = dict(flattened(outputs))
    for name, wanted in case.outputs["train"].items():
        assert largest_difference(got[name], wanted) < 2e-5, name
    losses = case.loss()(outputs, batch)
    assert {name: float(value) for name, value in losses.items()} == pytest.approx(
        case.losses, rel=1e-5
    )
    losses["loss"].backward()
    norms = {
        name: float(parameter.grad.norm())
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    largest = max(case.gradient_norms.values())
    for name, wanted in case.gradient_norms.items():
        assert norms[name] == pytest.approx(wanted, rel=2e-3, abs=1e-5 * largest), name
    assert {name for name, norm in norms.items() if norm > 1e-6 * largest} <= set(
        case.gradient_norms
    )
    moved = (
        case.expected.get("bn_after_one_forward") or case.expected["buffers_after_train_forward"]
    )
    buffers = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    for name, wanted in moved.items():
        assert float(np.linalg.norm(buffers[name])) == pytest.approx(wanted, rel=1e-4), name
    model.clear_gradients()
    model.set_state_dict(state)


def test_two_steps_of_the_optimizer(case: Case, model: nn.Layer) -> None:
    if "loss_over_steps" not in case.expected:
        assert case.folder.parent.name == "v6"
        return
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    problems = Problems()
    plan = read_optimizer(case.expected["optimizer"], problems)
    problems.raise_any()
    assert plan is not None
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.trainable]
    optimizer, _ = plan.build(trained, 1, 10)
    loss, batch, seen = case.loss(), case.tensors(), []
    for _ in range(3):
        total = loss(model(batch["image"], batch), batch)["loss"]
        seen.append(float(total))
        if len(seen) == 3:
            break
        total.backward()
        optimizer.step()
        optimizer.clear_grad()
    assert seen == pytest.approx(case.expected["loss_over_steps"], rel=1e-3)
    after = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    for name, wanted in case.expected["parameter_change"].items():
        change = float(np.linalg.norm(after[name] - state[name]))
        assert change == pytest.approx(wanted, rel=0.05, abs=1e-3), name
    model.set_state_dict(state)


def test_merged_layers_read_alike(case: Case, model: nn.Layer) -> None:
    merged = case.model()
    load_weights(merged, case.folder)
    merged.eval()
    num_merged = reparameterise(merged)
    if "export_layers_merged" in case.expected:
        assert num_merged == case.expected["export_layers_merged"]
    with paddle.no_grad():
        got = dict(flattened(merged(paddle.to_tensor(case.batch["image"]))))
    for name, wanted in case.outputs["eval"].items():
        assert largest_difference(got[name], wanted) < 1e-4, name
    for name, wanted in case.outputs["fused"].items():
        assert largest_difference(got[name], wanted) < 1e-4, name
    state = dict(merged.state_dict())
    for name, shape in case.expected.get("export_keys_new", {}).items():
        assert list(state[name].shape) == shape, name
    fused = case.expected.get("fused_keys", {})
    for network, shapes in fused.items():
        for name, shape in shapes.items():
            path = f"{network}.{name}" if network else name
            assert list(state[path].shape) == list(shape), path
