"""Which outputs and labels recognition's distillation losses take, and their own options."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.nn import functional as F

from runtime.errors import ConfigError
from training import build_loss
from training.distillation.divergences import decoupled_divergence, kl_divergence
from training.recognition.losses import CELoss, CTCLoss, SARLoss
from training.recognition.losses.ctc_logits import ctc_logits_divergence

K = 6
NETWORKS = ("Student", "Teacher")
PAIR = {"model_name_pairs": [["Student", "Teacher"]], "key": "head_out"}
EACH = {"model_name_list": ["Student", "Teacher"], "key": "head_out", "multi_head": True}
GTC = {**PAIR, "multi_head": True, "dis_head": "gtc"}


def outputs() -> dict[str, Any]:
    paddle.seed(5)
    return {
        network: {
            "backbone_out": paddle.randn([2, 4, 1, 6]),
            "head_out": {
                "ctc": paddle.randn([2, 6, K]),
                "ctc_neck": paddle.randn([2, 6, 3]),
                "sar": paddle.randn([2, 5, K + 1]),
                "gtc": paddle.randn([2, 4, K + 4]),
            },
        }
        for network in NETWORKS
    }


def batch() -> dict[str, Any]:
    arrays = {
        "label_ctc": [[1, 2, 0], [3, 0, 0]],
        "label_sar": [[6, 0, 1, 6, 7], [6, 2, 6, 7, 7]],
        "label_gtc": [[2, 4, 5, 3, 0], [2, 6, 3, 0, 0]],
        "length": [2, 1],
    }
    return {name: paddle.to_tensor(values) for name, values in arrays.items()}


def results_of(name: str, options: dict[str, Any]) -> dict[str, float]:
    section = {"name": "CombinedLoss", "loss_config_list": [{name: {"weight": 1.0, **options}}]}
    results = build_loss(section)(outputs(), batch())
    return {label: float(value) for label, value in results.items() if label != "loss"}


def heads(name: str) -> list[paddle.Tensor]:
    return [outputs()[network]["head_out"][name] for network in NETWORKS]


@pytest.mark.parametrize(
    ("name", "options", "plain", "head"),
    [
        ("DistillationCTCLoss", {}, CTCLoss(), "ctc"),
        ("DistillationSARLoss", {"ignore_index": 7}, SARLoss(7), "sar"),
        ("DistillationNRTRLoss", {}, CELoss(smoothing=True), "gtc"),
        ("DistillationNRTRLoss", {"smoothing": False}, CELoss(), "gtc"),
        (
            "DistillationNRTRLoss",
            {"smoothing": False, "mask_padding": True},
            CELoss(ignore_index=0),
            "gtc",
        ),
    ],
)
def test_each_decoder_learns_its_own_labels(
    name: str, options: dict[str, Any], plain: Any, head: str
) -> None:
    wanted = [float(plain(output, batch())) for output in heads(head)]
    prefix = {"ctc": "loss_ctc", "sar": "loss_sar", "gtc": "loss_nrtr"}[head]
    labels = [f"{prefix}_Student_0", f"{prefix}_Teacher_1"]
    got = results_of(name, {**EACH, **options})
    assert got == dict(zip(labels, wanted, strict=True))


def test_the_last_loss_alone_learns_its_padding_from_the_classes() -> None:
    last = results_of("DistillationSARLoss", EACH)
    for index in (K + 1, 3):
        assert last == results_of("DistillationSARLoss", {**EACH, "ignore_index": index})
    entries = [
        {"DistillationSARLoss": {"weight": 1.0, **EACH}},
        {"DistillationCTCLoss": {"weight": 1.0, **EACH}},
    ]
    loss = build_loss({"name": "CombinedLoss", "loss_config_list": entries})
    with pytest.raises(ConfigError, match="ignore_index 92, got 7"):
        loss(outputs(), batch())


@pytest.mark.parametrize("head", ["ctc", "ctc_neck", "sar", "gtc"])
def test_mutual_learning_between_two_decoders(head: str) -> None:
    options = {"act": "softmax", "use_log": True, "multi_head": True, "dis_head": head}
    p, q = (F.softmax(x, axis=-1) + 1e-10 for x in heads(head))
    both = (p * paddle.log(p / q)).sum() + (q * paddle.log(q / p)).sum()
    got = results_of("DistillationDMLLoss", {**PAIR, **options})
    assert got == {"dml_0": pytest.approx(float(both) / 4, rel=1e-5)}


def test_kl_divergence_of_decoders_leaves_out_padding() -> None:
    mask = batch()["label_gtc"][:, 1:] != 0
    wanted = float(kl_divergence(*heads("gtc"), mask))
    assert results_of("DistillationKLDivLoss", GTC) == {"kl_div_0": wanted}


@pytest.mark.parametrize("mask_padding", [False, True])
def test_decoupled_divergence_takes_the_labels_as_targets(mask_padding: bool) -> None:
    targets = batch()["label_gtc"][:, 1:]
    mask = targets != 0 if mask_padding else None
    options = {"alpha": 0.5, "beta": 3.0, "temperature": 2.0, "mask_padding": mask_padding}
    wanted = float(decoupled_divergence(*heads("gtc"), targets, 2.0, 0.5, 3.0, mask))
    assert results_of("DistillationDKDLoss", {**GTC, **options}) == {"dkd_0": wanted}


@pytest.mark.parametrize("mask_blank", [False, True])
def test_ctc_logits(mask_blank: bool) -> None:
    wanted = float(ctc_logits_divergence(*heads("ctc"), mask_blank))
    got = results_of("DistillCTCLogits", {**PAIR, "mask_blank": mask_blank})
    assert got == {"ctc_logits_0": wanted}


def test_ctc_logits_of_networks_that_return_nothing_else() -> None:
    entry = {"DistillCTCLogits": {"weight": 1.0, "model_name_pairs": ["Student", "Teacher"]}}
    loss = build_loss({"name": "CombinedLoss", "loss_config_list": [entry]})
    bare = dict(zip(NETWORKS, heads("ctc"), strict=True))
    wanted = ctc_logits_divergence(*heads("ctc"))
    assert float(loss(bare, {})["ctc_logits_0"]) == float(wanted)


def test_features_of_networks_with_several_decoders() -> None:
    options = {**PAIR, "key": "backbone_out", "mode": "l1"}
    first, second = (outputs()[network]["backbone_out"] for network in NETWORKS)
    got = results_of("DistillationDistanceLoss", options)
    wanted = float((first - second).abs().mean())
    assert got == {"loss_distance_l2_Student_Teacher_0": pytest.approx(wanted, rel=1e-6)}


ACCIDENTS = [
    ("DistillationDKDLoss", GTC, {"mask_padding": True}, "makes a mask and does not use it"),
    ("DistillCTCLogits", PAIR, {"mask_blank": True}, "the blank's logit changes its sign"),
    (
        "DistillationNRTRLoss",
        {**EACH, "smoothing": False},
        {"mask_padding": True},
        "the padding behind a label's end is learned too",
    ),
    ("DistillationNRTRLoss", {**EACH, "ignore_index": 0}, {"ignore_index": None}, "no effect"),
    (
        "DistillCTCLogits",
        {**PAIR, "mask_blank": True, "reduction": "sum"},
        {"reduction": "mean"},
        "reduction has no effect",
    ),
]


@pytest.mark.parametrize(("name", "options", "right", "message"), ACCIDENTS)
def test_paddleocr_s_accidents_are_named_once(
    caplog: pytest.LogCaptureFixture,
    name: str,
    options: dict[str, Any],
    right: dict[str, Any],
    message: str,
) -> None:
    with caplog.at_level(logging.WARNING):
        results_of(name, options)
        assert caplog.text.count(message) == 1
        results_of(name, {**options, **right})
    assert caplog.text.count(message) == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("DistillationKLDivLoss", {**GTC, "dis_head": "ctc"}, r"dis_head: expected gtc.*got ctc"),
        ("DistillationKLDivLoss", {**PAIR, "multi_head": True}, "dis_head: expected gtc.*got ctc"),
        ("DistillationDKDLoss", {**GTC, "dis_head": "sar"}, "dis_head: expected gtc.*got sar"),
        ("DistillationDKDLoss", {**GTC, "multi_head": False}, "multi_head: expected true"),
        (
            "DistillationDMLLoss",
            {**PAIR, "maps_name": "thrink_maps"},
            "maps_name: expected nothing",
        ),
        ("DistillationDistanceLoss", {**PAIR, "multi_head": True}, "unknown option .*multi_head"),
        ("DistillationSARLoss", {**EACH, "is_last": True}, "unknown option .*is_last"),
        ("DistillationDMLLoss", {**GTC, "dis_head": "nrtr"}, "Student: .*gives nrtr, got ctc, ctc"),
        ("DistillationDMLLoss", PAIR, "dml: expected one tensor of Student, got ctc, ctc_neck"),
        ("DistillationDistanceLoss", PAIR, "expected one tensor of Student.*by key"),
        (
            "DistillationCTCLoss",
            {**EACH, "multi_head": False},
            "expected the logits of one decoder",
        ),
        (
            "DistillationDMLLoss",
            {**GTC, "key": "backbone_out"},
            "Student: expected a head that gives gtc, got one tensor",
        ),
    ],
)
def test_mistakes_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        results_of(name, options)


def test_decoders_of_different_lengths_are_named() -> None:
    given = outputs()
    given["Teacher"]["head_out"]["gtc"] = paddle.randn([2, 3, K + 4])
    entry = {"DistillationDMLLoss": {"weight": 1.0, **GTC}}
    loss = build_loss({"name": "CombinedLoss", "loss_config_list": [entry]})
    with pytest.raises(ConfigError, match=r"differ in gtc: expected one shape, got \[2, 4, 10\]"):
        loss(given, batch())


def test_no_loss_writes_to_what_it_is_given() -> None:
    given, labels = outputs(), batch()
    sections = [
        ("DistillationDKDLoss", GTC),
        ("DistillCTCLogits", PAIR),
        ("DistillationKLDivLoss", GTC),
        ("DistillationSARLoss", {**EACH, "ignore_index": 7}),
        ("DistillationNRTRLoss", EACH),
    ]
    entries = [{name: {"weight": 1.0, **options}} for name, options in sections]
    build_loss({"name": "CombinedLoss", "loss_config_list": entries})(given, labels)
    for network, stages in outputs().items():
        for head, tensor in stages["head_out"].items():
            assert np.array_equal(given[network]["head_out"][head].numpy(), tensor.numpy())
    for name, tensor in batch().items():
        assert np.array_equal(labels[name].numpy(), tensor.numpy())
