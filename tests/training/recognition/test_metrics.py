"""Accuracy and edit distance with PaddleOCR's arithmetic."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from runtime.errors import ConfigError
from training import build_metric
from training.recognition.metrics import DistillationMetric, RecMetric

EPSILON = 1e-5


def decoded(*pairs: tuple[str, str]) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """(prediction, label) pairs as a post-process gives them."""
    return [(pair[0], 0.5) for pair in pairs], [(pair[1], 1.0) for pair in pairs]


def test_golden_figures(golden: Any) -> None:
    section = copy.deepcopy(golden.config["Metric"])
    metric = build_metric(section)
    assert section == golden.config["Metric"]
    labels = [(text, 1.0) for text in golden.expected["labels"]]
    metric(
        {
            name: ([tuple(line) for line in lines], labels)
            for name, lines in golden.expected["decode"].items()
        }
    )
    assert metric.get_metric() == pytest.approx(golden.expected["metric"], rel=1e-12)


def test_sums_are_divided_by_n_and_a_little() -> None:
    metric = RecMetric()
    first = metric(decoded(("abc", "abc"), ("abd", "abc")))
    assert first == {
        "acc": 1 / (2 + EPSILON),
        "norm_edit_dis": 1 - (1 / 3) / (2 + EPSILON),
    }
    assert metric(decoded(("", "ab")))["norm_edit_dis"] == 1 - 1 / (1 + EPSILON)
    assert metric.get_metric() == {
        "acc": 1 / (3 + EPSILON),
        "norm_edit_dis": 1 - (1 / 3 + 1) / (3 + EPSILON),
    }
    assert metric.get_metric() == {"acc": 0.0, "norm_edit_dis": 1.0}


def test_two_empty_texts_are_equal() -> None:
    assert RecMetric()(decoded(("", "")))["norm_edit_dis"] == 1.0


@pytest.mark.parametrize(
    ("options", "prediction", "label", "is_equal"),
    [
        ({}, "a b", "ab", True),
        ({"ignore_space": False}, "a b", "ab", False),
        ({}, "A-b", "ab", False),
        ({"is_filter": True}, "A-b!", "a b", True),
        ({"is_filter": True}, "é1", "1", True),
        ({"is_filter": True}, "a1", "a2", False),
    ],
)
def test_what_is_compared(
    options: dict[str, bool], prediction: str, label: str, is_equal: bool
) -> None:
    metric = build_metric({"name": "RecMetric", **options})
    assert metric(decoded((prediction, label)))["acc"] == is_equal / (1 + EPSILON)


def test_the_main_network_has_no_prefix() -> None:
    section = {"name": "DistillationMetric", "key": "Student", "base_metric_name": "RecMetric"}
    metric = build_metric(section)
    assert isinstance(metric, DistillationMetric)
    metric({"Teacher": decoded(("a", "a")), "Student": decoded(("a", "b"))})
    metric({"Teacher": decoded(("a", "a")), "Student": decoded(("b", "b"))})
    assert metric.get_metric() == {
        "Teacher_acc": 2 / (2 + EPSILON),
        "Teacher_norm_edit_dis": 1 - 0 / (2 + EPSILON),
        "acc": 1 / (2 + EPSILON),
        "norm_edit_dis": 1 - 1 / (2 + EPSILON),
    }


def test_options_reach_every_network_and_reset_forgets() -> None:
    metric = DistillationMetric(key="Student", ignore_space=False, main_indicator="norm_edit_dis")
    metric.reset()
    metric({"Student": decoded(("a b", "ab"))})
    metric.reset()
    metric({"Student": decoded(("a b", "ab"))})
    assert metric.get_metric()["acc"] == 0.0
    assert metric.main_indicator == "norm_edit_dis"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "RecMetrics"}, "did you mean RecMetric"),
        ({"name": "RecMetric", "ignore_spaces": True}, "did you mean ignore_space"),
        ({"name": "RecMetric", "is_filter": 1}, "Metric.is_filter: expected true or false, got 1"),
        ({"name": "DistillationMetric"}, "needs the option key"),
    ],
)
def test_mistakes_are_named(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_metric(section)


def test_an_unknown_base_metric_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean RecMetric"):
        build_metric(
            {"name": "DistillationMetric", "key": "Student", "base_metric_name": "RecMetrik"}
        )


def test_figures_find_their_networks_again() -> None:
    metric = DistillationMetric(key="Student")
    metric({"Teacher": decoded(("a", "a")), "Student": decoded(("a", "b"))})
    by_network = metric.by_network(metric.get_metric())
    assert by_network["Teacher"]["acc"] == 1 / (1 + EPSILON)
    assert by_network["Student"]["acc"] == 0.0
    assert list(by_network["Student"]) == ["acc", "norm_edit_dis"]
    assert RecMetric().by_network({"acc": 0.5}) == {"network": {"acc": 0.5}}
