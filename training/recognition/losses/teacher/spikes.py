"""Losses at the time steps where characters stand: the teacher's, and the student's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.nn import functional as F

from runtime.recognition.charset import BLANK_INDEX
from training.distillation.losses import Pairs
from training.recognition.losses.teacher.lines import TeacherLoss, nothing
from training.recognition.teacher.alignment import spikes
from training.recognition.teacher.reading import LineReading
from training.recognition.teacher.readings import LineReadings

_LEAST = 1e-10
"""Against the logarithm of 0."""
Labels = Sequence[tuple[int, ...]]


class DistillationSpikeKLLoss(TeacherLoss):
    """Divergence of what student and teacher think of each character, wherever it stands in each.

    Both are aligned to the teacher's best text. At the time step where the teacher is surest of a
    character, and at the student's own, the probabilities of the classes besides the blank are
    compared, averaged over the characters of the batch. The blank is left to CTC.

    Args:
        model_name_pairs: of a network and the ONNX file.
        key: which stage of a network to take, None for all that it returns.
        name: in the log, e.g. `spike_kl_0`.
        multi_head: the network's head is a `MultiHead`.
        least_confidence: a line that the teacher is less sure of is left out, 0 .. 1.

    Source: a choice of time steps as in arXiv:2506.01503, here by forced alignment of both.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "spike_kl",
        multi_head: bool = False,
        least_confidence: float = 0.0,
    ) -> None:
        super().__init__(model_name_pairs, key, name, multi_head, least_confidence)

    def compare(self, logits: paddle.Tensor, readings: LineReadings) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with what was read in the lines; return a scalar."""
        places = self.followed(logits, readings)
        if not places:
            return nothing(logits)
        lines = [readings.lines[place] for place in places]
        labels = [line.texts[0].classes for line in lines]
        own = spikes_of_logits(paddle.gather(logits.detach(), paddle.to_tensor(places)), labels)
        rows, columns = np.nonzero(own >= 0)
        theirs = spikes_of_readings(lines, labels)
        targets = [
            _posteriors(lines[row], int(theirs[row, column]), readings.num_classes)
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        width = max(1, *(len(classes) for classes, _ in targets))
        classes = np.stack([np.pad(found, (0, width - len(found))) for found, _ in targets])
        shares = np.stack([np.pad(found, (0, width - len(found))) for _, found in targets])
        steps = own[rows, columns]
        taken = paddle.gather_nd(
            logits, paddle.to_tensor(np.stack([np.array(places)[rows], steps], axis=1))
        )
        taken = taken[:, BLANK_INDEX + 1 :]
        log_own = taken - paddle.logsumexp(taken, axis=-1, keepdim=True)
        log_own = paddle.take_along_axis(log_own, paddle.to_tensor(classes), -1, broadcast=False)
        target = paddle.to_tensor(shares)
        return (target * (paddle.log(target + _LEAST) - log_own)).sum() / len(targets)


class DistillationGuidedCTCLoss(TeacherLoss):
    """Draws the student's characters to the places where they stand in the teacher.

    At the student's time step that lies at the same place of the line as the teacher's surest one,
    1 less the probability of the character, averaged over the characters of the batch. CTC alone
    lets every network put its characters elsewhere; with one set of places for both, losses
    between time steps do no harm.

    Args:
        model_name_pairs: of a network and the ONNX file.
        key: which stage of a network to take, None for all that it returns.
        name: in the log, e.g. `guided_ctc_0`.
        multi_head: the network's head is a `MultiHead`.
        least_confidence: a line that the teacher is less sure of is left out, 0 .. 1.

    Source: Kurata and Audhkhasi 2019 (arXiv:1904.08311), whose networks have equal time steps.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "guided_ctc",
        multi_head: bool = False,
        least_confidence: float = 0.0,
    ) -> None:
        super().__init__(model_name_pairs, key, name, multi_head, least_confidence)

    def compare(self, logits: paddle.Tensor, readings: LineReadings) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with the places in the lines; return a scalar."""
        places = self.followed(logits, readings)
        if not places:
            return nothing(logits)
        lines = [readings.lines[place] for place in places]
        labels = [line.texts[0].classes for line in lines]
        theirs = spikes_of_readings(lines, labels)
        rows, columns = np.nonzero(theirs >= 0)
        ratios = np.array(
            [
                readings.shares[place] * logits.shape[1] / line.line_steps
                for place, line in zip(places, lines, strict=True)
            ]
        )
        steps = ((theirs[rows, columns] + 0.5) * ratios[rows]).astype(np.int64)
        steps = np.clip(steps, 0, logits.shape[1] - 1)
        index = np.stack([np.array(places)[rows], steps], axis=1)
        taken = paddle.gather_nd(logits, paddle.to_tensor(index))
        symbols = np.array([labels[row][column] for row, column in zip(rows, columns, strict=True)])
        probabilities = F.softmax(taken, axis=-1)
        own = paddle.take_along_axis(
            probabilities, paddle.to_tensor(symbols[:, np.newaxis]), -1, broadcast=False
        )
        return 1.0 - own.mean()


def spikes_of_logits(logits: paddle.Tensor, labels: Labels) -> NDArray[np.int64]:
    """Align labels with logits float32 [N, T, K]; return the step of each character, [N, L]."""
    padded = _padded(labels)
    of_label = paddle.to_tensor(np.concatenate([np.zeros((len(labels), 1), np.int64), padded], 1))
    wanted = of_label.unsqueeze(1).expand([-1, logits.shape[1], -1])
    sums = paddle.logsumexp(logits, axis=-1, keepdim=True)
    scores = (paddle.take_along_axis(logits, wanted, -1, broadcast=False) - sums).numpy()
    return spikes(scores[:, :, 0], scores[:, :, 1:], labels)


def spikes_of_readings(lines: Sequence[LineReading], labels: Labels) -> NDArray[np.int64]:
    """Align labels with what was read; return the teacher's step of each character, [N, L]."""
    num_steps = max(len(line.classes) for line in lines)
    padded = _padded(labels)
    blanks = np.zeros((len(lines), num_steps))  # behind a line there are blanks
    symbols = np.full((len(lines), num_steps, padded.shape[1]), np.log(_LEAST))
    for row, (line, label) in enumerate(zip(lines, padded, strict=True)):
        length = len(line.classes)
        found = line.probabilities * (line.classes == BLANK_INDEX)
        blanks[row, :length] = np.log(np.maximum(found.sum(axis=1), _LEAST))
        is_symbol = line.classes[:, :, np.newaxis] == label
        values = (line.probabilities[:, :, np.newaxis] * is_symbol).sum(axis=1)
        symbols[row, :length] = np.log(np.maximum(values, _LEAST))
    return spikes(blanks, symbols, labels)


def _padded(labels: Labels) -> NDArray[np.int64]:
    padded = np.zeros((len(labels), max(map(len, labels))), np.int64)
    for row, label in zip(padded, labels, strict=True):
        row[: len(label)] = label
    return padded


def _posteriors(
    line: LineReading, step: int, num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the run's classes besides the blank at a step, counted from 0, and their shares."""
    classes, values = line.classes[step], line.probabilities[step]
    is_taken = (classes != BLANK_INDEX) & (classes < num_classes) & (values > 0)
    shares = values[is_taken]
    return classes[is_taken].astype(np.int64) - 1, shares / max(float(shares.sum()), _LEAST)
