"""Losses at the time steps where characters stand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import paddle
import pytest

from tests.training.recognition.teacher.lines import K, line, readings
from training.recognition.losses.teacher.lines import TeacherLoss
from training.recognition.losses.teacher.spikes import (
    DistillationGuidedCTCLoss,
    DistillationSpikeKLLoss,
)
from training.recognition.teacher.readings import LineReadings

PAIR = ["Student", "Teacher"]
A, B, C, D = 1, 2, 3, 4


def student(*steps: dict[int, float], num: int = 1) -> paddle.Tensor:
    """Logits [num, T, K], 0 where nothing is said."""
    values = np.zeros((num, len(steps), K), np.float32)
    for step, given in enumerate(steps):
        for number, value in given.items():
            values[:, step, number] = value
    logits = paddle.to_tensor(values)
    logits.stop_gradient = False
    return logits


def value(kind: type[TeacherLoss], logits: paddle.Tensor, read: LineReadings) -> paddle.Tensor:
    loss: Any = kind(PAIR)
    (found,) = loss({"Student": logits, "Teacher": read}, {}).values()
    return found


def test_the_divergence_of_a_character_wherever_it_stands() -> None:
    # The teacher is surest of its first step, the student of its fourth.
    read = readings(line({A: 0.6, B: 0.2}, {}))
    logits = student({0: 5.0}, {0: 5.0}, {0: 5.0}, {A: 4.0, B: 1.0, C: 1.0}, {0: 5.0})
    total = math.exp(4) + 2 * math.exp(1)
    own = [math.exp(4) / total, math.exp(1) / total]
    expected = 0.75 * math.log(0.75 / own[0]) + 0.25 * math.log(0.25 / own[1])
    found = value(DistillationSpikeKLLoss, logits, read)
    assert float(found) == pytest.approx(expected, rel=2e-3)
    found.backward()
    gradient = logits.grad.numpy()[0]
    assert (gradient[[0, 1, 2, 4]] == 0).all() and (gradient[:, 0] == 0).all()  # the blank too
    wanted = [own[0] - 0.75, own[1] - 0.25, own[1]]
    assert gradient[3, 1:].tolist() == pytest.approx(wanted, abs=2e-3)


def test_the_mean_is_of_the_characters_of_all_lines() -> None:
    sure = {A: 30.0}
    logits = student({0: 9.0}, sure, {0: 9.0}, {B: 2.0}, num=2)
    both, alone = line({A: 1.0}, {B: 1.0}), line({A: 1.0})
    loss_of_b = math.log((math.exp(2) + 2) / math.exp(2))
    found = value(DistillationSpikeKLLoss, logits, readings(both, alone))
    assert float(found) == pytest.approx(loss_of_b / 3, rel=1e-3)


def test_what_is_the_teachers_alone_is_no_target() -> None:
    logits = student({A: 3.0})
    plain = value(DistillationSpikeKLLoss, logits, readings(line({A: 0.6, B: 0.2})))
    with_more = value(DistillationSpikeKLLoss, logits, readings(line({A: 0.45, B: 0.15, D: 0.3})))
    assert float(with_more) == pytest.approx(float(plain), rel=5e-3)


@pytest.mark.parametrize("kind", [DistillationSpikeKLLoss, DistillationGuidedCTCLoss])
def test_a_batch_of_which_nothing_can_be_followed(kind: type[TeacherLoss]) -> None:
    logits = student({A: 1.0})
    found = value(kind, logits, readings(line({D: 1.0})))
    found.backward()
    assert float(found) == 0 and (logits.grad.numpy() == 0).all()


@pytest.mark.parametrize("kind", [DistillationSpikeKLLoss, DistillationGuidedCTCLoss])
def test_gradients_are_those_of_the_values(kind: type[TeacherLoss]) -> None:
    read = readings(line({A: 0.7, C: 0.2}, {}, {B: 0.9}), line({B: 0.6, C: 0.3}, {}))
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, (2, 5, K)).astype(np.float32)
    logits = paddle.to_tensor(values, stop_gradient=False)
    value(kind, logits, read).backward()
    for place in ((0, 0, 1), (0, 3, 2), (1, 2, 2), (1, 1, 3)):
        moved = []
        for change in (-1e-2, 1e-2):
            shifted = values.copy()
            shifted[place] += change
            moved.append(float(value(kind, paddle.to_tensor(shifted), read)))
        slope = (moved[1] - moved[0]) / 2e-2
        assert float(logits.grad.numpy()[place]) == pytest.approx(slope, abs=1e-3)


@pytest.mark.parametrize("kind", [DistillationSpikeKLLoss, DistillationGuidedCTCLoss])
def test_a_line_whose_label_is_another_text_may_be_left_out(kind: Any) -> None:
    logits = student({A: 1.0}, {}, num=2)
    read = readings(line({A: 0.9}, {}), line({B: 0.9}, {}), labels=["c", "b"])
    (found,) = kind(PAIR, agreeing=True)({"Student": logits, "Teacher": read}, {}).values()
    found.backward()
    gradients = np.abs(logits.grad.numpy()).sum(axis=(1, 2))
    assert gradients[0] == 0 and gradients[1] > 0


def test_characters_are_drawn_to_where_they_stand_in_the_teacher() -> None:
    # Step 2 of the teacher's 4 is the middle of the third quarter: 5 of the student's 8.
    read = readings(line({}, {}, {A: 0.9}, {}))
    logits = student(*[{}] * 5, {A: 2.0}, {}, {})
    probability = math.exp(2) / (math.exp(2) + 3)
    found = value(DistillationGuidedCTCLoss, logits, read)
    assert float(found) == pytest.approx(1 - probability, rel=1e-5)
    found.backward()
    rows = np.abs(logits.grad.numpy()[0]).sum(axis=1)
    assert np.nonzero(rows)[0].tolist() == [5]


def test_padding_moves_no_character() -> None:
    # The line fills 3 of the teacher's 4 steps and half of the student's 12.
    read = readings(line({}, {}, {A: 0.9}, {}, line_steps=3.0), shares=[0.5])
    logits = student(*[{}] * 12)
    value(DistillationGuidedCTCLoss, logits, read).backward()
    rows = np.abs(logits.grad.numpy()[0]).sum(axis=1)
    assert np.nonzero(rows)[0].tolist() == [5]
