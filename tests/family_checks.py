"""What every family's tests hold against PaddleOCR's numbers, whatever the task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from numpy.typing import NDArray
from paddle import nn

from runtime.cpu import cpu_kind
from tests.beside import PADDLEOCR_NUMBERS
from tests.families import Case, flattened, load_weights, read_case, samples_of
from training.backbones.reparameterise import reparameterise
from training.losses import figures_of
from training.optimizer import read_optimizer
from training.registry import Problems


def _rounding() -> float:
    """Return how much further than where PaddleOCR's numbers were taken rounding may lead here.

    That was a CPU with AVX-512. Without it MKL adds in another order, and the cases' random weights
    blow the difference up: on an AMD EPYC of the third generation to 80 times what is allowed. The
    numbers are rounded as much themselves: in float64, where nothing is, `det_v6_tiny` lies 6.7e-5
    from them, and in float32 there 1.1e-4. `benchmarks.parity` compares both in float64.
    """
    kind = cpu_kind()
    return 1.0 if kind is None or "avx512f" in kind else 100.0


ROUNDING = _rounding()


def small_cases(model_type: str) -> dict[str, Any]:
    """Return the arguments of a fixture over PaddleOCR's small cases, or one that stands for none.

    Args:
        model_type: `rec` or `det`.
    """
    patterns = (f"families/{model_type}_*", f"v6/{model_type}_*")
    folders = sorted(path for pattern in patterns for path in PADDLEOCR_NUMBERS.glob(pattern))
    return {
        "scope": "module",
        "params": folders or [None],
        "ids": lambda path: path.name if path else "none",
    }


def case_of(folder: Path | None) -> Case:
    """Read a case; skip where there is none."""
    if folder is None:
        pytest.skip(
            f"no cases of PaddleOCR at {PADDLEOCR_NUMBERS}; name their folder in DISTILREC_GOLDEN"
        )
    return read_case(folder)


def assert_outputs(outputs: Any, wanted: Mapping[str, NDArray[Any]], tolerance: float) -> None:
    """Hold outputs against PaddleOCR's, in shares of the largest value or of 1."""
    got = dict(flattened(outputs))
    assert set(got) >= set(wanted)
    for name, array in wanted.items():
        output = got[name]
        if output.shape != array.shape:
            output = output[..., ::2, ::2]
        assert output.shape == array.shape, name
        difference = np.abs(output - array).max()
        most = ROUNDING * tolerance * max(1.0, np.abs(array).max())
        assert difference < most, (name, difference)


def evaluated(model: nn.Layer, case: Case) -> Any:
    """Return what a network deploys, of a case's images."""
    model.eval()
    with paddle.no_grad():
        return model(paddle.to_tensor(case.batch["image"]))


def assert_trains(case: Case, model: nn.Layer) -> None:
    """Hold outputs, losses, gradients and running statistics of one training pass; undo it."""
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    model.train()
    batch = case.tensors()
    outputs = model(batch["image"], batch)
    assert_outputs(outputs, case.outputs["train"], 2e-5)
    losses = case.loss()(outputs, batch)
    assert figures_of(losses) == pytest.approx(case.losses, rel=ROUNDING * 1e-5)
    losses["loss"].backward()
    norms = {
        name: float(parameter.grad.norm())
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    largest = max(case.gradient_norms.values())
    for name, wanted in case.gradient_norms.items():
        assert norms[name] == pytest.approx(
            wanted, rel=2e-3 * ROUNDING**0.5, abs=ROUNDING * 1e-5 * largest
        ), name
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


def assert_steps(case: Case, model: nn.Layer) -> None:
    """Hold the loss over two steps of the optimizer, and how far the parameters go; undo them."""
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
        seen.append(float(total.sum()))
        if len(seen) == 3:
            break
        total.backward()
        optimizer.step()
        optimizer.clear_grad()
    assert seen == pytest.approx(case.expected["loss_over_steps"], rel=1e-3 * ROUNDING**0.5)
    after = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    # A gradient that is rounding alone, of a bias before a BatchNorm say, moves its parameter under
    # Adam as far as any other, to whichever side the rounding falls: up to 1.02e-3 from PaddleOCR's
    # with the compiled losses of maps, 0.9e-3 with paddle's operations alone.
    least = 1e-6 * max(case.gradient_norms.values())
    for name, wanted in case.expected["parameter_change"].items():
        change = float(np.linalg.norm(after[name] - state[name]))
        off = 2e-3 if case.gradient_norms.get(name, least) < least else 1e-3
        assert change == pytest.approx(wanted, rel=0.05, abs=off), name
    model.set_state_dict(state)


def merged_model(case: Case) -> tuple[nn.Layer, int]:
    """Return a case's networks with merged layers, in evaluation mode, and how many were merged."""
    merged = case.model()
    load_weights(merged, case.folder)
    merged.eval()
    return merged, reparameterise(merged)


def assert_merged(case: Case, merged: nn.Layer) -> None:
    """Hold the outputs and the names of networks with merged layers."""
    outputs = evaluated(merged, case)
    for kind in ("eval", "fused"):
        assert_outputs(outputs, case.outputs[kind], 1e-4)
    state = dict(merged.state_dict())
    for name, shape in case.expected.get("export_keys_new", {}).items():
        assert list(state[name].shape) == shape, name
    for network, shapes in case.expected.get("fused_keys", {}).items():
        for name, shape in shapes.items():
            path = f"{network}.{name}" if network else name
            assert list(state[path].shape) == list(shape), path


def assert_full_size(case: Case, model: nn.Layer) -> None:
    """Hold a network of the shipped size, apart and merged, against PaddleOCR's numbers."""
    assert_samples(evaluated(model, case), case, "eval", 1e-5)
    # Training moves the statistics, which the merged form is made of.
    statistics = {
        name: tensor.numpy()
        for name, tensor in model.state_dict().items()
        if name.endswith(("._mean", "._variance"))
    }
    model.train()
    batch = case.tensors()
    outputs = model(batch["image"], batch)
    assert_samples(outputs, case, "train", 2e-5)
    losses = case.loss()(outputs, batch)
    assert figures_of(losses) == pytest.approx(case.losses, rel=ROUNDING * 1e-5)
    losses["loss"].backward()
    largest = max(case.gradient_norms.values())
    norms = {
        name: float(parameter.grad.norm())
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    for name, wanted in case.gradient_norms.items():
        assert norms[name] == pytest.approx(
            wanted, rel=1e-2 * ROUNDING**0.5, abs=ROUNDING * 1e-5 * largest
        ), name
    model.clear_gradients()
    del outputs, losses
    state = model.state_dict()
    for name, value in statistics.items():
        state[name].set_value(paddle.to_tensor(value))
    model.eval()
    if reparameterise(model):
        # PaddleOCR's own merging moves the outputs where variances are small.
        moved = case.expected.get("export_largest_difference_from_eval", 0.0)
        outputs = evaluated(model, case)
        assert_samples(outputs, case, "eval", max(1e-4, moved))
        if any(name.startswith("export") for name in case.expected["outputs"]):
            assert_samples(outputs, case, "export", 1e-4)


def assert_samples(outputs: Any, case: Case, kind: str, tolerance: float) -> None:
    """Hold every sampled output of a kind against PaddleOCR's."""
    got = dict(flattened(outputs, kind))
    wanted = {
        name: sample
        for name, sample in case.expected["outputs"].items()
        if name == kind or name.startswith(f"{kind}/")
    }
    assert wanted
    for name, sample in wanted.items():
        # What detection deploys has no name of its own.
        output = got[name] if name in got else got[name.removesuffix("/maps")]
        assert list(output.shape) == sample["shape"], name
        difference = np.abs(samples_of(output, sample) - sample["values"]).max()
        most = ROUNDING * tolerance * max(1.0, sample["largest"])
        assert difference <= most, (name, difference)
