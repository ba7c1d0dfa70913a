"""The `Loss` section: what it builds, and every mistake it can hold."""

from __future__ import annotations

import copy
from typing import Any

import paddle
import pytest
from paddle import nn

from runtime.errors import ConfigError
from training import build_loss
from training.losses import TOTAL, CombinedLoss, figures_of, read_loss
from training.recognition.losses import LOSSES
from training.registry import Problems

BATCH = {
    "label": paddle.to_tensor([[1, 2], [3, 0]]),
    "length": paddle.to_tensor([2, 1]),
    "label_ace": paddle.to_tensor([[0, 1, 1, 0], [1, 0, 0, 1]]),
}


def combined(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"name": "CombinedLoss", "loss_config_list": list(entries)}


def built(section: dict[str, Any]) -> Any:
    before = copy.deepcopy(section)
    loss = build_loss(section)
    assert section == before
    return loss


def test_one_bare_loss_has_a_name_and_a_total() -> None:
    results = built({"name": "CTCLoss", "use_focal_loss": True})(paddle.randn([2, 6, 4]), BATCH)
    assert list(results) == ["loss_ctc", TOTAL]
    assert float(results[TOTAL]) == float(results["loss_ctc"])


def test_parts_are_weighted_and_summed() -> None:
    section = combined(
        {"CTCLoss": {"weight": 1.0}},
        {"CenterLoss": {"weight": 0.5, "num_classes": 4, "feat_dim": 3}},
        {"ACELoss": {"weight": 2}},
    )
    loss = built(section)
    prediction = (paddle.randn([2, 6, 3]), paddle.randn([2, 6, 4]))
    results = {name: float(value) for name, value in loss(prediction, BATCH).items()}
    assert list(results) == ["loss_ctc", "loss_center", "loss_ace", TOTAL]
    plain = [float(term(prediction, BATCH)) for term in loss.losses]
    assert list(results.values())[:3] == pytest.approx(
        [plain[0], 0.5 * plain[1], 2 * plain[2]], rel=1e-6
    )
    assert results[TOTAL] == pytest.approx(sum(list(results.values())[:3]), rel=1e-6)


def test_losses_of_one_name_are_both_counted() -> None:
    pairs = {"model_name_pairs": ["a", "b"]}
    section = combined(
        {"DistillationDistanceLoss": {"weight": 1.0, "mode": "l1", **pairs}},
        {"DistillationDistanceLoss": {"weight": 1.0, "mode": "l2", **pairs}},
    )
    outputs = {"a": paddle.full([2], 3.0), "b": paddle.zeros([2])}
    results = {name: float(value) for name, value in built(section)(outputs, {}).items()}
    assert results == {
        "loss_distance_l2_a_b_0": 3.0,
        "loss_distance_l2_a_b_0_2": 9.0,
        TOTAL: 12.0,
    }


class Fixed(nn.Layer):
    """A loss that gives what it was made of."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def forward(self, outputs: Any, batch: Any) -> Any:
        return self.result


def test_a_value_for_each_image_makes_the_total_one() -> None:
    scalar, values = paddle.to_tensor(3.0), paddle.to_tensor([1.0, 5.0])
    for tensor in (scalar, values):
        tensor.stop_gradient = False
    loss = CombinedLoss([("a", 1.0, Fixed(scalar)), ("b", 2.0, Fixed({"b_0": values}))])
    results = loss(None, {})
    assert results[TOTAL].tolist() == [5.0, 13.0]
    assert figures_of(results) == {"a": 3.0, "b_0": 6.0, TOTAL: 9.0}
    results[TOTAL].backward()
    assert scalar.grad.tolist() == 2.0 and values.grad.tolist() == [2.0, 2.0]


def test_a_loss_may_say_what_counts_of_its_parts() -> None:
    parts = {"shown": paddle.to_tensor(7.0), TOTAL: paddle.to_tensor(2.0)}
    loss = CombinedLoss([("a", 0.5, Fixed(parts)), ("b", 1.0, Fixed(paddle.to_tensor(4.0)))])
    assert figures_of(loss(None, {})) == {"shown": 3.5, "b": 4.0, TOTAL: 5.0}


def test_parts_say_what_they_take() -> None:
    pairs = {"weight": 1.0, "model_name_pairs": ["a", "b"], "key": "head_out"}
    multi = {"weight": 1.0, "loss_config_list": [{"CTCLoss": None}, {"SARLoss": None}]}
    section = combined(
        {"DistillationDMLLoss": {**pairs, "multi_head": False, "maps_name": None}},
        {"DistillationDMLLoss": {**pairs, "multi_head": True, "dis_head": "gtc"}},
        {"DistillCTCLogits": pairs},
        {"MultiLoss": multi},
        {"CTCLoss": {"weight": 1.0}},
    )
    problems = Problems()
    plan = read_loss(section, LOSSES, problems)
    assert plan is not None and not problems
    assert [part.networks for part in plan.parts] == [["a", "b"]] * 3 + [[]] * 2
    assert [part.is_distillation for part in plan.parts] == [True] * 3 + [False] * 2
    assert [part.head_outputs for part in plan.parts] == [
        *((), ("gtc",), ("ctc",)),
        *(("ctc", "sar"), ()),
    ]


MISTAKES = [
    (None, "Loss: expected a mapping with a name"),
    ({"name": "CTCLos"}, "Loss.name: unknown loss 'CTCLos': .*did you mean CTCLoss"),
    ({"name": ["CTCLoss"]}, "Loss.name: unknown loss"),
    ({"name": "CTCLoss", "use_focal": True}, "did you mean use_focal_loss"),
    ({"name": "CTCLoss", "use_focal_loss": "yes"}, "expected true or false, got 'yes'"),
    ({"name": "CombinedLoss"}, "Loss.loss_config_list: expected a list of losses, got None"),
    ({**combined({"CTCLoss": {"weight": 1}}), "weight": 1}, "Loss.weight: unknown key"),
    (combined({"CTCLoss": {}}), "expected options with a weight"),
    (combined({"CTCLoss": None}), "expected options with a weight"),
    (combined({"CTCLoss": {"weight": -1}}), "expected options with a weight"),
    (combined({"CTCLoss": {"weight": True}}), "expected options with a weight"),
    (combined({"CTCLoss": {"weight": 1}, "ACELoss": {"weight": 1}}), "expected one loss"),
    (combined({"CTCLossy": {"weight": 1}}), r"loss_config_list.0.CTCLossy.name: .*CTCLoss"),
    (combined({"DistillationDMLLoss": {"weight": 1}}), "needs the option model_name_pairs"),
    (
        combined({"DistillationDMLLoss": {"weight": 1, "model_name_pairs": [1, 2]}}),
        "model_name_pairs: expected a list, got",
    ),
    (
        combined(
            {"DistillationDistanceLoss": {"weight": 1, "model_name_pairs": ["a", "b"], "mode": 3}}
        ),
        "expected 'l1' or 'l2' or 'smooth_l1', got 3",
    ),
]


@pytest.mark.parametrize(("section", "message"), MISTAKES)
def test_mistakes_are_named(section: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_loss(section)


def test_all_mistakes_are_reported_at_once() -> None:
    section = combined({"CTCLos": {"weight": 1}}, {"ACELos": {"weight": 1}}, {"CTCLoss": {}})
    problems = Problems()
    assert read_loss(section, LOSSES, problems) is None
    assert len(problems) == 3
