"""CTC over the texts that a teacher thinks likeliest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle

from training.distillation.losses import Pairs
from training.kernels import ctc_loss
from training.recognition.labels import padded_labels
from training.recognition.losses.teacher.lines import TeacherLoss, nothing
from training.recognition.teacher.alignment import steps_needed
from training.recognition.teacher.reading import MOST_TEXTS, LineReading
from training.recognition.teacher.readings import LineReadings

_OTHER_SPACES = "with other spaces than their label"
_LEAST_SHARE = 0.01
"""A text whose share is less is left out: it would cost a whole line's recursion."""


class DistillationTeacherCTCLoss(TeacherLoss):
    """CTC of the teacher's likeliest texts as labels, each weighted by how probable it is.

    The texts of a line that the dictionary spells share the line's weight of 1 by their
    probability; a line whose best text it does not spell is left out. Summed over the lines and
    divided by N, whatever their number.

    Args:
        model_name_pairs: of a network and the ONNX file.
        key: which stage of a network to take, None for all that it returns.
        name: in the log, e.g. `teacher_ctc_0`.
        multi_head: the network's head is a `MultiHead`.
        num_texts: of a line, at most.
        by_confidence: weight each line by the teacher's mean confidence too.
        other_spaces: follow lines whose label has more or fewer spaces than the teacher reads too;
            a teacher known to lose spaces would teach the network to lose them.
        least_confidence: a line that the teacher is less sure of is left out, 0 .. 1.
        agreeing: leave out a line whose label is another text, spaces apart.

    Source: labels of a teacher's beam, as in Takashima, Li, Kawai 2018 (sequence-level knowledge
    distillation of CTC acoustic models).
    """

    def __init__(
        self,
        model_name_pairs: Pairs,
        key: str | None = None,
        name: str = "teacher_ctc",
        multi_head: bool = False,
        num_texts: int = MOST_TEXTS,
        by_confidence: bool = False,
        other_spaces: bool = True,
        least_confidence: float = 0.0,
        agreeing: bool = False,
    ) -> None:
        super().__init__(model_name_pairs, key, name, multi_head, least_confidence, agreeing)
        self.num_texts = num_texts
        self.by_confidence = by_confidence
        self.other_spaces = other_spaces

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a confidence that is none, and more texts than are kept."""
        problems = TeacherLoss.problems_of(options)
        count = options.get("num_texts", MOST_TEXTS)
        if not 1 <= count <= MOST_TEXTS:
            problems.append(("num_texts", f"expected 1 to {MOST_TEXTS}, got {count}"))
        return problems

    def compare(self, logits: paddle.Tensor, readings: LineReadings) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with the texts of the lines; return a scalar."""
        places: list[int] = []
        labels: list[tuple[int, ...]] = []
        weights: list[float] = []
        for place in self.followed(logits, readings):
            line = readings.lines[place]
            for label, share in self._shares(line, readings.num_classes, logits.shape[1]):
                places.append(place)
                labels.append(label)
                weights.append(share * (line.confidence if self.by_confidence else 1.0))
        if not places:
            return nothing(logits)
        padded = padded_labels(labels)
        lengths = np.array([len(label) for label in labels], np.int64)
        taken = logits
        if places != list(range(logits.shape[0])):
            taken = paddle.gather(logits, paddle.to_tensor(places))
        losses = ctc_loss(taken, paddle.to_tensor(padded), paddle.to_tensor(lengths))
        weighted = losses * paddle.to_tensor(np.array(weights, np.float32))
        return weighted.sum() / logits.shape[0]

    def reason_against(self, readings: LineReadings, place: int, num_steps: int) -> str | None:
        """Return why a line cannot be followed, or None."""
        if not self.other_spaces and readings.has_other_spaces(place):
            return _OTHER_SPACES
        return super().reason_against(readings, place, num_steps)

    def _shares(
        self, line: LineReading, num_classes: int, num_steps: int
    ) -> list[tuple[tuple[int, ...], float]]:
        """Return label and share of each text of a line that the dictionary spells."""
        found = [
            (text.classes, text.probability)
            for text in line.texts[: self.num_texts]
            if text.classes
            and max(text.classes) < num_classes
            and steps_needed(text.classes) <= num_steps
        ]
        total = sum(probability for _, probability in found)
        found = [entry for entry in found if entry[1] >= _LEAST_SHARE * total]
        total = sum(probability for _, probability in found)
        return [(label, probability / total) for label, probability in found]
