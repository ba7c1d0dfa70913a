"""Labels that a loss needs of the batch, and paddings that do not follow from the dictionary."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from training.losses import read_loss
from training.recognition.losses import LOSSES
from training.recognition.losses.checks import problems_of_losses
from training.registry import Component, Problems

K = 12
PAIR = {"model_name_pairs": ["Student", "Teacher"], "key": "head_out"}
EACH = {"model_name_list": ["Student", "Teacher"], "key": "head_out", "multi_head": True}
GTC = {**PAIR, "multi_head": True, "dis_head": "gtc"}


def found(keys: str, *entries: dict[str, Any]) -> list[tuple[str, str]]:
    """Problems of these losses where batches have these arrays."""
    weighted = [
        {name: {"weight": 1.0, **options}} for given in entries for name, options in given.items()
    ]
    problems = Problems()
    section = {"name": "CombinedLoss", "loss_config_list": weighted}
    loss = read_loss(section, LOSSES, problems)
    assert loss is not None, problems
    networks = {"Student": SimpleNamespace(head=Component("CTCHead", {}, "", dict))}
    plan: Any = SimpleNamespace(loss=loss, model=SimpleNamespace(networks=networks))
    return list(problems_of_losses(plan, keys.split(), K))


MULTI = {"loss_config_list": [{"CTCLoss": None}, {"SARLoss": None}]}


@pytest.mark.parametrize(
    ("entry", "keys"),
    [
        ({"CTCLoss": {}}, "label"),
        ({"ACELoss": {}}, "label_ace"),
        ({"DistillationCTCLoss": EACH}, "label_ctc"),
        ({"DistillationSARLoss": EACH}, "label_sar"),
        ({"DistillationNRTRLoss": EACH}, "label_gtc"),
        ({"DistillationKLDivLoss": GTC}, "label_gtc"),
        ({"DistillationDKDLoss": GTC}, "label_gtc"),
        ({"MultiLoss": MULTI}, "label_ctc label_sar"),
        ({"DistillationDMLLoss": {**GTC, "dis_head": "ctc_neck"}}, ""),
        ({"DistillCTCLogits": PAIR}, ""),
    ],
)
def test_labels_that_are_needed(entry: dict[str, Any], keys: str) -> None:
    assert found(keys, entry) == []
    needed = keys.split() if keys != "label" else []
    (name,) = entry
    for missing in needed:
        rest = " ".join({"image", "length", "label", *needed} - {missing})
        path = f"Loss.loss_config_list.0.{name}"
        assert found(rest, entry) == [(path, f"{name} needs {missing} among Train's keep_keys")]


def test_sar_before_other_losses_has_to_know_its_padding() -> None:
    keys = "label_ctc label_sar"
    sar, ctc = {"DistillationSARLoss": EACH}, {"DistillationCTCLoss": EACH}
    assert found(keys, ctc, sar) == []
    ((path, message),) = found(keys, sar, ctc)
    assert path == "Loss.loss_config_list.0.DistillationSARLoss.ignore_index"
    assert "expected 13, the padding's class, got 92" in message
    assert found(keys, {"DistillationSARLoss": {**EACH, "ignore_index": 13}}, ctc) == []


def test_centres_need_features_and_classes() -> None:
    problems = found("label", {"CenterLoss": {}})
    assert [path for path, _ in problems] == [
        "Loss.loss_config_list.0.CenterLoss",
        "Loss.loss_config_list.0.CenterLoss.num_classes",
    ]
    assert problems[1][1] == "expected the dictionary's 12 classes, got 6625"
