"""Outputs and gradients of the heads against what PaddleOCR computed from the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from training.distillation.divergences import DMLLoss
from training.recognition.heads import MultiHead

_NETWORKS = [
    ("families/rec_v3", "Teacher", "sar"),
    ("families/rec_v3", "Student", "sar"),
    ("families/rec_v4", "Teacher", "gtc"),
    ("families/rec_v4", "Student", "gtc"),
    ("families/rec_v4_lcnet", "Teacher", "gtc"),
    ("families/rec_v4_lcnet", "Student", "gtc"),
    ("v6/rec_v6_distill", "Student", "gtc"),
    ("v6/rec_v6_tiny", "", "gtc"),
]


@pytest.mark.parametrize(("case", "network", "name"), _NETWORKS)
def test_training_outputs(load_golden_head: Any, case: str, network: str, name: str) -> None:
    golden = load_golden_head(case, network)
    got = golden.head(golden.features, golden.batch)
    assert set(got) == {"ctc", "ctc_neck", name}
    assert _difference(got[name], golden.outputs[name]) < 1e-6
    if "ctc_neck" in golden.outputs:
        ctc = golden.head.ctc_head(golden.outputs["ctc_neck"])
        assert _difference(ctc, golden.outputs["ctc"]) < 1e-6


def test_gradients_of_the_attention_decoder(load_golden_head: Any) -> None:
    student = load_golden_head("families/rec_v3", "Student")
    teacher = load_golden_head("families/rec_v3", "Teacher")
    labels = student.batch["label_sar"]
    logits = [case.head(case.features, case.batch)["sar"] for case in (student, teacher)]
    losses = [
        F.cross_entropy(prediction[:, :-1], labels[:, 1:], ignore_index=39) for prediction in logits
    ]
    wanted = student.expected["loss"]
    got = [float(loss) for loss in losses]
    assert got == pytest.approx([wanted["loss_sar_Student_0"], wanted["loss_sar_Teacher_1"]], 1e-5)
    mutual = 0.5 * DMLLoss("softmax", use_log=True)(*logits)
    assert float(mutual) == pytest.approx(wanted["dml_sar_0"], rel=1e-4)
    paddle.add_n([*losses, mutual]).backward()
    for case, network in ((student, "Student"), (teacher, "Teacher")):
        norms = _below(f"{network}.head.", case.expected["grad_norm"])
        _compare_gradients(case.head, norms, "sar_head.")


def test_gradients_of_the_transformer_and_of_the_guided_ctc_head(load_golden_head: Any) -> None:
    golden = load_golden_head("v6/rec_v6_tiny")
    outputs = golden.head(golden.features, golden.batch)
    length = golden.batch["length"]
    log_probabilities = outputs["ctc"].transpose([1, 0, 2])
    steps = paddle.full(length.shape, log_probabilities.shape[0], "int64")
    ctc = F.ctc_loss(
        log_probabilities,
        golden.batch["label_ctc"].astype("int32"),
        steps,
        length,
        reduction="none",
    ).mean()
    nrtr = _smoothed_cross_entropy(outputs["gtc"], golden.batch["label_gtc"])
    wanted = golden.expected["losses"]
    assert float(ctc) == pytest.approx(wanted["CTCLoss"], rel=1e-5)
    assert float(nrtr) == pytest.approx(wanted["NRTRLoss"], rel=1e-5)
    (ctc + nrtr).backward()
    norms = _below("head.", golden.expected["grad_norm"])
    _compare_gradients(golden.head, norms)
    buffers = _below("head.", golden.expected["buffers_after_train_forward"])
    state = golden.head.state_dict()
    assert len(buffers) == 4
    for name, norm in buffers.items():
        assert float(state[name].norm()) == pytest.approx(norm, rel=1e-5), name


def _smoothed_cross_entropy(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    """Average over the label's symbols, 0.1 of each target's weight being the others'."""
    num_symbols = logits.shape[2]
    targets = labels[:, 1 : 1 + logits.shape[1]]
    on_target = F.one_hot(targets, num_symbols)
    weights = on_target * 0.9 + (1 - on_target) * 0.1 / (num_symbols - 1)
    losses = -(weights * F.log_softmax(logits, axis=2)).sum(axis=2)
    return losses[targets != 0].mean()


def _compare_gradients(
    head: MultiHead, norms: Mapping[str, float | None], prefix: str = ""
) -> None:
    """Compare the norms of a head's gradients, but of those that are zero but for rounding."""
    wanted = {
        name: norm for name, norm in norms.items() if name.startswith(prefix) and norm is not None
    }
    got = {
        name: float(parameter.grad.norm())
        for name, parameter in head.named_parameters()
        if name.startswith(prefix) and parameter.grad is not None
    }
    assert got == pytest.approx(wanted, rel=1e-4, abs=1e-7 * max(wanted.values()))


def _below(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): values[name] for name in values if name.startswith(prefix)}


def _difference(got: paddle.Tensor, wanted: paddle.Tensor) -> float:
    """Return the largest difference as a share of the largest value."""
    assert got.shape == wanted.shape
    return float(np.abs(got.numpy() - wanted.numpy()).max() / np.abs(wanted.numpy()).max())
