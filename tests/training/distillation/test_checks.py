"""Networks, stages and outputs of heads that a loss takes, against those that there are."""

from __future__ import annotations

from typing import Any

import pytest

from training.distillation.checks import problems_of_loss
from training.losses import read_loss
from training.networks import ALONE, ModelPlan, NetworkPlan
from training.recognition.losses import LOSSES
from training.recognition.task import RecognitionTask
from training.registry import Component, Problems

PAIR = {"model_name_pairs": [["Student", "Teacher"]]}
EACH = {"model_name_list": ["Student", "Teacher"]}
HEAD = {"key": "head_out", "multi_head": True}
BOTH = "expected ctc, ctc_neck, gtc"
PLACE = "Loss.loss_config_list.0"


def multi_head(*decoders: str) -> Component:
    entries = [{decoder: {}} for decoder in ("CTCHead", *decoders)]
    return Component("MultiHead", {"head_list": entries}, "", dict)


NRTR, SAR, CTC = multi_head("NRTRHead"), multi_head("SARHead"), Component("CTCHead", {}, "", dict)


def network(head: Component, returns_all: bool = True) -> NetworkPlan:
    backbone = Component("MobileNetV1Enhance", {}, "", dict)
    return NetworkPlan("", backbone, None, head, returns_all_features=returns_all)


def found(options: dict[str, Any], **networks: NetworkPlan) -> list[tuple[str, str]]:
    """Problems of the one loss that `options` describe, for networks of these names."""
    problems = Problems()
    section = {"name": "CombinedLoss", "loss_config_list": [options]}
    loss = read_loss(section, LOSSES, problems)
    assert loss is not None and not problems, problems
    return list(problems_of_loss(loss.parts[0], ModelPlan(RecognitionTask, networks)))


def entry(name: str, *options: dict[str, Any], **more: Any) -> dict[str, Any]:
    merged = {key: value for given in options for key, value in given.items()}
    return {name: {"weight": 1.0, **merged, **more}}


RIGHT = [
    entry("DistillationDMLLoss", PAIR, HEAD),
    entry("DistillationDMLLoss", PAIR, HEAD, dis_head="ctc_neck"),
    entry("DistillationDMLLoss", PAIR, key="neck_out"),
    entry("DistillationDKDLoss", PAIR, HEAD, dis_head="gtc"),
    entry("DistillationKLDivLoss", PAIR, HEAD, dis_head="gtc"),
    entry("DistillationCTCLoss", EACH, HEAD),
    entry("DistillationNRTRLoss", EACH, HEAD),
    entry("DistillCTCLogits", PAIR, key="head_out"),
    entry("DistillationDistanceLoss", PAIR, key="backbone_out"),
    entry("DistillationLossFromOutput", EACH, dist_key="head_out", key="loss"),
]


@pytest.mark.parametrize("options", RIGHT)
def test_nothing_is_wrong(options: dict[str, Any]) -> None:
    assert found(options, Student=network(NRTR), Teacher=network(NRTR)) == []


WRONG = [
    (entry("DistillationDMLLoss", PAIR, HEAD, dis_head="gct"), NRTR, ".dis_head", "gives no gct"),
    (entry("DistillationDMLLoss", PAIR, HEAD, dis_head="sar"), NRTR, ".dis_head", BOTH),
    (
        entry("DistillationSARLoss", EACH, HEAD),
        NRTR,
        "",
        f"Student gives no sar: {BOTH}",
    ),
    (entry("DistillationNRTRLoss", EACH, HEAD), SAR, "", "MultiHead of Student gives no gtc"),
    (
        entry("DistillationDMLLoss", PAIR, HEAD),
        CTC,
        ".multi_head",
        "takes ctc by name, and the CTCHead of Student gives one output alone",
    ),
    (
        entry("DistillCTCLogits", PAIR, key="head_out"),
        CTC,
        "",
        "takes ctc by name, and the CTCHead of Student gives one output alone",
    ),
    (
        entry("DistillationDMLLoss", PAIR, key="head_out"),
        NRTR,
        "",
        "MultiHead of Student gives ctc, ctc_neck, gtc: expected multi_head: true and dis_head",
    ),
    (entry("DistillationCTCLoss", EACH, key="head_out"), SAR, "", "sar: expected multi_head: true"),
    (
        entry("DistillationDistanceLoss", PAIR, key="head_out"),
        SAR,
        "",
        "expected key backbone_out or neck_out",
    ),
    (
        entry("DistillationDMLLoss", PAIR, HEAD, key="neck_out"),
        NRTR,
        ".key",
        "takes ctc of a head: expected key head_out, got neck_out",
    ),
    (entry("DistillationDMLLoss", PAIR, HEAD, key="head"), NRTR, ".key", "did you mean head_out?"),
]


@pytest.mark.parametrize(("options", "head", "place", "message"), WRONG)
def test_what_heads_do_not_give_is_named(
    options: dict[str, Any], head: Component, place: str, message: str
) -> None:
    problems = found(options, Student=network(head), Teacher=network(head))
    assert len(problems) == 2  # one for each network
    (name,) = options
    assert problems[0][0] == f"{PLACE}.{name}{place}"
    assert message in problems[0][1]


def test_one_network_of_two_may_lack_the_output() -> None:
    options = entry("DistillationDKDLoss", PAIR, HEAD, dis_head="gtc")
    ((path, message),) = found(options, Student=network(NRTR), Teacher=network(SAR))
    assert path == f"{PLACE}.DistillationDKDLoss.dis_head"
    assert message.startswith("the MultiHead of Teacher gives no gtc: expected ctc, ctc_n")


def test_a_network_that_does_not_exist_is_named_once() -> None:
    options = entry("DistillCTCLogits", PAIR, key="head_out")
    ((path, message),) = found(options, Student=network(NRTR))
    assert path == f"{PLACE}.DistillCTCLogits"
    assert message == "unknown network 'Teacher': expected one of Student"


def test_networks_that_return_their_heads_alone() -> None:
    networks = {name: network(NRTR, False) for name in ("Student", "Teacher")}
    options = entry("DistillationDMLLoss", PAIR, multi_head=True, dis_head="gtc")
    assert found(options, **networks) == []
    problems = found(entry("DistillationDMLLoss", PAIR), **networks)
    assert len(problems) == 2 and "expected multi_head: true" in problems[0][1]


MULTI = {"loss_config_list": [{"CTCLoss": None}, {"NRTRLoss": None}]}


def test_one_network_alone() -> None:
    assert found(entry("MultiLoss", MULTI), **{ALONE: network(NRTR, False)}) == []
    assert found(entry("CTCLoss"), **{ALONE: network(CTC, False)}) == []
    ((path, message),) = found(entry("MultiLoss", MULTI), **{ALONE: network(SAR, False)})
    assert path == f"{PLACE}.MultiLoss"
    assert message.startswith("MultiHead gives no gtc: expected ctc, ctc_neck, sar, or another")
    ((_, message),) = found(entry("MultiLoss", MULTI), **{ALONE: network(CTC, False)})
    assert message == "MultiLoss takes ctc, gtc by name, and CTCHead gives one output alone"
    ((_, message),) = found(entry("CTCLoss"), **{ALONE: network(SAR, False)})
    assert message.endswith("MultiHead gives ctc, ctc_neck, sar: expected MultiLoss")
