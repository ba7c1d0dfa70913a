"""Which tensors each distillation loss takes, and under which name its value is logged."""

from __future__ import annotations

from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from training.distillation.losses import (
    DistillationDistanceLoss,
    DistillationDMLLoss,
    DistillationLossFromOutput,
    as_pairs,
)
from training.recognition.losses import DistillationCTCLoss, DistillationKLDivLoss

PAIRS = [["Student", "Teacher"], ["Student", "Student2"]]


def outputs() -> dict[str, Any]:
    paddle.seed(3)
    return {
        name: {"backbone_out": paddle.randn([2, 4, 1, 6]), "head_out": paddle.randn([2, 6, 5])}
        for name in ("Teacher", "Student", "Student2")
    }


def test_one_bare_pair_is_a_list_of_one() -> None:
    assert as_pairs(["a", "b"]) == as_pairs([["a", "b"]]) == [("a", "b")]


@pytest.mark.parametrize(
    ("loss", "names"),
    [
        (DistillationDMLLoss(PAIRS, "softmax", True, "head_out"), ["dml_0", "dml_1"]),
        (DistillationKLDivLoss(PAIRS, "head_out"), ["kl_div_0", "kl_div_1"]),
        (
            DistillationDistanceLoss(PAIRS, "l1", "backbone_out"),
            ["loss_distance_l2_Student_Teacher_0", "loss_distance_l2_Student_Student2_1"],
        ),
        (DistillationDMLLoss(PAIRS[0], "softmax", True, "head_out", "mutual"), ["mutual_0"]),
    ],
)
def test_pairs_are_logged_by_index(loss: Any, names: list[str]) -> None:
    given = outputs()
    results = loss(given, {})
    assert list(results) == names
    for result, (first, second) in zip(results.values(), PAIRS, strict=False):
        wanted = loss.plain(given[first][loss.key], given[second][loss.key])
        assert float(result) == float(wanted)


def test_ctc_of_each_listed_network() -> None:
    batch = {"label": paddle.to_tensor([[1, 2], [3, 0]]), "length": paddle.to_tensor([2, 1])}
    loss = DistillationCTCLoss(["Student2", "Teacher"], "head_out")
    given = outputs()
    results = loss(given, batch)
    assert list(results) == ["loss_ctc_Student2_0", "loss_ctc_Teacher_1"]
    assert float(results["loss_ctc_Teacher_1"]) == float(
        loss.plain(given["Teacher"]["head_out"], batch)
    )


def test_heads_with_features_give_their_logits() -> None:
    given = outputs()
    plain = DistillationDMLLoss(PAIRS[0], "softmax", True, "head_out")
    wanted = float(plain(given, {})["dml_0"])
    given["Teacher"]["head_out"] = (paddle.randn([2, 6, 9]), given["Teacher"]["head_out"])
    assert float(plain(given, {})["dml_0"]) == wanted


def test_no_key_means_the_output_itself() -> None:
    bare = {name: stages["head_out"] for name, stages in outputs().items()}
    assert list(DistillationKLDivLoss(PAIRS[0])(bare, {})) == ["kl_div_0"]


def test_shapes_that_differ_are_named_instead_of_stretched() -> None:
    given = outputs()
    given["Teacher"]["backbone_out"] = paddle.randn([2, 1, 1, 6])  # would broadcast
    loss = DistillationDistanceLoss(PAIRS[0], key="backbone_out")
    with pytest.raises(ConfigError, match="Student and Teacher differ in backbone_out"):
        loss(given, {})


@pytest.mark.parametrize(
    ("reduction", "wanted"), [("mean", 2.0), ("sum", 6.0), ("none", [1.0, 2.0, 3.0])]
)
def test_a_loss_out_of_an_output(reduction: Any, wanted: Any) -> None:
    given = {"Student": {"found": {"loss": paddle.to_tensor([1.0, 2.0, 3.0])}}}
    loss = DistillationLossFromOutput(["Student"], "found", "loss", reduction)
    assert loss(given, {})["loss_re_Student"].numpy().tolist() == wanted
    direct = {"Student": given["Student"]["found"]["loss"]}
    bare = DistillationLossFromOutput(["Student"], None, None, reduction)
    assert bare(direct, {})["loss_re_Student"].numpy().tolist() == wanted
