"""CTC over a teacher's likeliest texts."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import paddle
import pytest

from tests.training.recognition.teacher.lines import K, line, readings
from training import build_loss
from training.kernels import ctc_loss
from training.recognition.losses.teacher.texts import DistillationTeacherCTCLoss
from training.recognition.teacher.readings import LineReadings

PAIR = ["Student", "Teacher"]
A, B, C, D = 1, 2, 3, 4
EITHER = line({A: 1.0}, {}, {B: 0.75, C: 0.25})


def logits(num: int = 1, num_steps: int = 4) -> paddle.Tensor:
    paddle.seed(7)
    found = paddle.randn([num, num_steps, K])
    found.stop_gradient = False
    return found


def ctc(student: paddle.Tensor, place: int, *label: int) -> float:
    rows = student[place : place + 1].detach()
    labels, lengths = paddle.to_tensor([list(label)]), paddle.to_tensor([len(label)])
    return float(ctc_loss(rows, labels, lengths).sum())


def loss_of(student: paddle.Tensor, read: LineReadings, **options: Any) -> paddle.Tensor:
    loss = DistillationTeacherCTCLoss(PAIR, **options)
    return loss({"Student": student, "Teacher": read}, {})["teacher_ctc_0"]


def test_texts_count_by_how_probable_they_are() -> None:
    student = logits()
    expected = 0.75 * ctc(student, 0, A, B) + 0.25 * ctc(student, 0, A, C)
    assert float(loss_of(student, readings(EITHER))) == pytest.approx(expected, rel=1e-3)
    best = ctc(student, 0, A, B)
    assert float(loss_of(student, readings(EITHER), num_texts=1)) == pytest.approx(best, rel=1e-5)


def test_a_text_with_a_character_outside_leaves_its_share_to_the_others() -> None:
    student = logits()
    read = readings(line({A: 1.0}, {}, {B: 0.6, D: 0.4}))
    assert float(loss_of(student, read)) == pytest.approx(ctc(student, 0, A, B), rel=1e-5)


def test_lines_that_cannot_be_followed_count_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    student = logits(5)
    unsure, outside = line({A: 0.6}, {}), line({D: 0.9})
    empty, cramped = line({}, {}), line(*[{A: 1.0}, {}] * 4)
    read = readings(unsure, outside, EITHER, empty, cramped)
    found = loss_of(student, read, num_texts=1, least_confidence=0.7)
    assert float(found) == pytest.approx(ctc(student, 2, A, B) / 5, rel=1e-4)
    found.backward()
    gradients = np.abs(student.grad.numpy()).sum(axis=(1, 2))
    assert gradients[2] > 0 and gradients[[0, 1, 3, 4]].tolist() == [0, 0, 0, 0]
    assert caplog.messages == [
        "teacher_ctc left out of 5 lines so far: 1 less confident than least_confidence, "
        "1 with characters outside the dictionary, 1 without text, 1 with more characters than "
        "time steps"
    ]


def test_lines_with_other_spaces_than_their_label_may_be_left_out() -> None:
    student = logits(2)
    read = readings(EITHER, EITHER, labels=["a b", "ac"])
    found = float(loss_of(student, read, num_texts=1, other_spaces=False))
    assert found == pytest.approx(ctc(student, 1, A, B) / 2, rel=1e-4)
    both = (ctc(student, 0, A, B) + ctc(student, 1, A, B)) / 2
    assert float(loss_of(student, read, num_texts=1)) == pytest.approx(both, rel=1e-4)


def test_lines_whose_label_is_another_text_may_be_left_out() -> None:
    student = logits(2)
    read = readings(EITHER, EITHER, labels=["a b", "ac"])
    found = float(loss_of(student, read, num_texts=1, agreeing=True))
    assert found == pytest.approx(ctc(student, 0, A, B) / 2, rel=1e-4)


def test_a_batch_of_which_nothing_can_be_followed() -> None:
    student = logits()
    found = loss_of(student, readings(line({D: 1.0})))
    found.backward()
    assert float(found) == 0 and (student.grad.numpy() == 0).all()


def test_confidence_weights_a_line() -> None:
    student = logits()
    read = readings(line({A: 1.0}, {}, {B: 0.5, C: 0.25}))
    plain = float(loss_of(student, read, num_texts=1))
    weighed = float(loss_of(student, read, num_texts=1, by_confidence=True))
    assert weighed == pytest.approx(0.75 * plain, rel=1e-3)


def test_its_gradient_is_that_of_its_values() -> None:
    student = logits()
    read = readings(EITHER)
    loss_of(student, read).backward()
    for step, number in ((0, 0), (1, 1), (2, 3)):
        moved = []
        for change in (-0.01, 0.01):
            values = student.detach().numpy()
            values[0, step, number] += change
            moved.append(float(loss_of(paddle.to_tensor(values), read)))
        slope = (moved[1] - moved[0]) / 0.02
        assert float(student.grad[0, step, number]) == pytest.approx(slope, abs=2e-3)


def test_it_is_built_by_its_name_for_heads_of_several_outputs() -> None:
    options = {"model_name_pairs": [PAIR], "key": "head_out", "multi_head": True, "weight": 2.0}
    section = {
        "name": "CombinedLoss",
        "loss_config_list": [{"DistillationTeacherCTCLoss": options}],
    }
    student = logits()
    outputs = {"Student": {"head_out": {"ctc": student}}, "Teacher": readings(EITHER)}
    found = build_loss(section)(outputs, {})
    assert float(found["loss"]) == pytest.approx(2 * float(loss_of(student, readings(EITHER))))


@pytest.mark.parametrize(
    "options", [{"least_confidence": 2.0}, {"num_texts": 0}, {"num_texts": 6}], ids=str
)
def test_impossible_options_are_problems(options: dict[str, Any]) -> None:
    ((key, message),) = DistillationTeacherCTCLoss.problems_of(options)
    assert key in options and message.startswith("expected ")
