"""Time by kind of operation: every nanosecond once."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from benchmarks.training.profile import BETWEEN, OTHER, kind_of, profile_table, seconds_by_kind


@dataclass
class Event:
    name: str
    start_ns: int
    end_ns: int
    children_node: list[Event] = field(default_factory=list)
    type: str = "TracerEventType.Operator"


def second(value: float) -> int:
    return round(value * 1e9)


def test_time_belongs_to_the_outermost_kind_once() -> None:
    inner = Event("matmul dygraph", second(1), second(2))
    pointwise = Event("Global_GradNodePyLayer__Pointwise", second(0), second(3), [inner])
    unknown = Event("scale dygraph", second(3), second(3.5))
    around = Event("Backward", second(0), second(4), [pointwise, unknown], "TracerEventType.Phase")
    root = Event("root", 0, second(5), [around], "TracerEventType.Phase")
    found = seconds_by_kind([root], 5.0)
    assert found == {
        "other convolutions": pytest.approx(3.0),
        BETWEEN: pytest.approx(1.5),
        OTHER: pytest.approx(0.5),
    }


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("Global_DepthwiseConv2dGradNode", "depthwise convolution"),
        ("Global_GradNodePyLayer__Depthwise", "depthwise convolution"),
        ("Global_Conv2dGradNodeFinal", "other convolutions"),
        ("Global_GradNodePyLayer__BatchNormHardSwish", "BatchNorm and hard-swish"),
        ("Global_GradNodePyLayer__Linear", "linear layers"),
        ("Global_GradNodePyLayer__Mutual", "losses"),
        ("Global_LogSoftmaxGradNode", "losses"),
        ("Global_RnnGradNode", "LSTM"),
        ("adam_ dygraph", "optimizer"),
        ("Backward", None),
    ],
)
def test_kinds(event: str, kind: str | None) -> None:
    assert kind_of(event) == kind


def test_the_table_has_a_row_for_every_kind_and_their_sum() -> None:
    text = profile_table({"ours": {"losses": 0.001}, "paddle": {"losses": 0.003, "LSTM": 0.001}})
    lines = [line.split() for line in text.splitlines()]
    assert lines[1] == ["losses", "1.0", "100.0%", "3.0", "75.0%"]
    assert lines[2] == ["LSTM", "0.0", "0.0%", "1.0", "25.0%"]
    assert lines[3] == ["a", "step", "1.0", "100.0%", "4.0", "100.0%"]


def test_the_table_of_nothing() -> None:
    assert "a step" in profile_table({})
