"""Readings stand beside outputs of networks, and are taken for one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import ConfigError
from training.distillation.decode import DistillationPostProcess
from training.distillation.losses import DistillationDMLLoss
from training.distillation.teacher.contract import TeacherOutput
from training.task import Batch

LOGITS = np.log(np.full((2, 3, 4), 0.25, np.float32))


class Read(TeacherOutput):
    """Readings of which every class is as probable."""

    def outputs(self) -> Read:
        return self

    def logits(self) -> paddle.Tensor:
        return paddle.to_tensor(LOGITS)

    def decodable(self) -> Any:
        return "decodable"


def test_teachers_stand_beside_the_networks() -> None:
    outputs = {"Student": "out"}
    read = Read()
    assert Batch(("a",), {}).beside(outputs) is outputs
    assert Batch(("a",), {}, {"Teacher": read}).beside(outputs) == {
        "Student": "out",
        "Teacher": read,
    }


@pytest.mark.parametrize("head", [None, "ctc"])
def test_an_ordinary_loss_takes_the_logits(head: str | None) -> None:
    logits = paddle.randn([2, 3, 4])
    stage = logits if head is None else {"ctc": logits}
    outputs = {"Student": {"head_out": stage}, "Teacher": Read()}
    options: Any = {"key": "head_out", "multi_head": head is not None}
    loss = DistillationDMLLoss(["Student", "Teacher"], "softmax", True, **options)
    (found,) = loss(outputs, {}).values()
    plain = DistillationDMLLoss(["Student", "Teacher"], "softmax", True)
    (expected,) = plain({"Student": logits, "Teacher": paddle.to_tensor(LOGITS)}, {}).values()
    assert float(found) == float(expected)


def test_other_time_steps_are_an_error() -> None:
    outputs = {"Student": paddle.randn([2, 5, 4]), "Teacher": Read()}
    loss = DistillationDMLLoss(["Student", "Teacher"], "softmax", True)
    with pytest.raises(ConfigError, match=r"expected one shape, got \[2, 5, 4\] and \[2, 3, 4\]"):
        loss(outputs, {})


def test_readings_are_decoded_and_what_was_not_read_is_left_out() -> None:
    decode = DistillationPostProcess(lambda output, labels: output, ["Student", "Teacher"], "key")
    assert decode({"Student": {"key": 3}, "Teacher": Read()}) == {
        "Student": 3,
        "Teacher": "decodable",
    }
    assert decode({"Student": {"key": 3}}) == {"Student": 3}
