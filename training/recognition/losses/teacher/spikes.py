"""Losses at the time steps where characters stand: the teacher's, and the student's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.nn import functional as F

from runtime.recognition.charset import BLANK_INDEX
from training.distillation.losses import Pairs
from training.recognition.labels import padded_labels
from training.recognition.losses.teacher.lines import TeacherLoss, nothing
from training.recognition.teacher.alignment import spikes
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
        agreeing: leave out a line whose label is another text, spaces apart.

    Source: a choice of time steps as in arXiv:2506.01503, here by forced alignment of both.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "spike_kl",
        multi_head: bool = False,
        least_confidence: float = 0.0,
        agreeing: bool = False,
    ) -> None:
        super().__init__(model_name_pairs, key, name, multi_head, least_confidence, agreeing)

    def compare(self, logits: paddle.Tensor, readings: LineReadings) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with what was read in the lines; return a scalar."""
        places = self.followed(logits, readings)
        if not places:
            return nothing(logits)
        followed = np.array(places)
        labels = [readings.lines[place].texts[0].classes for place in places]
        own = spikes_of_logits(paddle.gather(logits.detach(), paddle.to_tensor(places)), labels)
        rows, columns = np.nonzero(own >= 0)
        lines = followed[rows]
        classes, shares = _posteriors(readings, lines, readings.spikes[lines, columns])
        index = np.stack([lines, own[rows, columns]], axis=1)
        taken = paddle.gather_nd(logits, paddle.to_tensor(index))[:, BLANK_INDEX + 1 :]
        log_own = taken - paddle.logsumexp(taken, axis=-1, keepdim=True)
        log_own = paddle.take_along_axis(log_own, paddle.to_tensor(classes), -1, broadcast=False)
        target = paddle.to_tensor(shares)
        return (target * (paddle.log(target + _LEAST) - log_own)).sum() / len(lines)


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
        agreeing: leave out a line whose label is another text, spaces apart.

    Source: Kurata and Audhkhasi 2019 (arXiv:1904.08311), whose networks have equal time steps.
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "guided_ctc",
        multi_head: bool = False,
        least_confidence: float = 0.0,
        agreeing: bool = False,
    ) -> None:
        super().__init__(model_name_pairs, key, name, multi_head, least_confidence, agreeing)

    def compare(self, logits: paddle.Tensor, readings: LineReadings) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with the places in the lines; return a scalar."""
        places = self.followed(logits, readings)
        if not places:
            return nothing(logits)
        followed = np.array(places)
        rows, columns = np.nonzero(readings.spikes[followed] >= 0)
        lines = followed[rows]
        # Steps of the student to a step of the teacher, in what the line itself fills.
        ratios = np.array(
            [
                share * logits.shape[1] / line.line_steps
                for share, line in zip(readings.shares, readings.lines, strict=True)
            ]
        )
        steps = ((readings.spikes[lines, columns] + 0.5) * ratios[lines]).astype(np.int64)
        steps = np.clip(steps, 0, logits.shape[1] - 1)
        symbols = padded_labels([line.texts[0].classes for line in readings.lines])[lines, columns]
        taken = paddle.gather_nd(logits, paddle.to_tensor(np.stack([lines, steps], axis=1)))
        own = paddle.take_along_axis(
            F.softmax(taken, axis=-1),
            paddle.to_tensor(symbols[:, np.newaxis]),
            axis=-1,
            broadcast=False,
        )
        return 1.0 - own.mean()


def spikes_of_logits(logits: paddle.Tensor, labels: Labels) -> NDArray[np.int64]:
    """Align labels with logits float32 [N, T, K]; return the step of each character, [N, L]."""
    blank = np.full((len(labels), 1), BLANK_INDEX, np.int64)
    of_label = paddle.to_tensor(np.concatenate([blank, padded_labels(labels)], axis=1))
    wanted = of_label.unsqueeze(1).expand([-1, logits.shape[1], -1])
    sums = paddle.logsumexp(logits, axis=-1, keepdim=True)
    scores = (paddle.take_along_axis(logits, wanted, -1, broadcast=False) - sums).numpy()
    return spikes(scores[:, :, 0], scores[:, :, 1:], labels)


def _posteriors(
    readings: LineReadings, lines: NDArray[np.int64], steps: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return what the teacher thinks possible at some steps, without blanks.

    Args:
        readings: of a batch.
        lines, steps: which time steps, [M] each.

    Returns:
        The run's classes besides the blank, counted from 0, int64 [M, k], and their shares, float32
        [M, k], 0 where there is none.
    """
    classes, probabilities = (found[lines, steps] for found in readings.rows)
    is_taken = (classes != BLANK_INDEX) & (classes < readings.num_classes)
    shares = probabilities * is_taken
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), _LEAST)
    return np.where(is_taken, classes - 1, 0), shares
