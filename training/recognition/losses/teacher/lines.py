"""Which lines of a batch a teacher can be followed in, and why not in the others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import paddle
from paddle import nn

from training.distillation.divergences import logits_of
from training.distillation.losses import Batch, Outputs, Pairs, as_pairs, pick
from training.recognition.teacher.alignment import steps_needed
from training.recognition.teacher.readings import LineReadings

log = logging.getLogger(__name__)

_UNSURE = "less confident than least_confidence"
_EMPTY = "without text"
_UNSPELLED = "with characters outside the dictionary"
_WRONG = "whose label is another text"
_CRAMPED = "with more characters than time steps"


class TeacherLoss(nn.Layer):
    """A loss of the first network of each pair from what the second one, an ONNX file, reads.

    Lines that cannot be followed count 0; their number is logged whenever that of all lines has
    doubled.

    Args:
        pairs: of networks' names.
        key: which stage of a network to take, None for all that it returns.
        name: in the log, e.g. `teacher_ctc_0`.
        multi_head: the first network's head is a `MultiHead`.
        least_confidence: of a line's text, 0 .. 1.
        agreeing: leave out a line whose label is another text, spaces apart.
    """

    needs_teacher: ClassVar[bool] = True
    """Marks a loss whose pairs end in an ONNX file."""

    def __init__(
        self,
        pairs: Pairs,
        key: str | None,
        name: str,
        multi_head: bool,
        least_confidence: float,
        agreeing: bool,
    ) -> None:
        super().__init__()
        self.pairs = as_pairs(pairs)
        self.key = key
        self.name = name
        self.head = "ctc" if multi_head else None
        self.least_confidence = least_confidence
        self.agreeing = agreeing
        self.num_lines = 0
        self.left_out: Counter[str] = Counter()
        self._told_at = 1

    @staticmethod
    def head_outputs(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head that gives several the loss takes; none for the whole."""
        return ("ctc",) if options.get("multi_head") else ()

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a confidence that is none."""
        least = options.get("least_confidence", 0.0)
        if 0 <= least <= 1:
            return []
        return [("least_confidence", f"expected 0 to 1, got {least}")]

    def forward(self, outputs: Outputs, batch: Batch) -> dict[str, paddle.Tensor]:
        """Return a scalar for each pair, from the outputs of every network."""
        results = {}
        for index, (student, teacher) in enumerate(self.pairs):
            logits = logits_of(pick(outputs, student, self.key, self.head))
            results[f"{self.name}_{index}"] = self.compare(logits, outputs[teacher])
        return results

    def compare(self, logits: paddle.Tensor, readings: LineReadings) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with what was read in the lines; return a scalar."""
        raise NotImplementedError

    def followed(self, logits: paddle.Tensor, readings: LineReadings) -> list[int]:
        """Return the places of the lines that can be followed, and count the others."""
        places = []
        for place in range(len(readings.lines)):
            reason = self.reason_against(readings, place, logits.shape[1])
            if reason is None:
                places.append(place)
            else:
                self.left_out[reason] += 1
        self.num_lines += len(readings.lines)
        if self.num_lines >= 2 * self._told_at:
            self._told_at = self.num_lines
            self._tell()
        return places

    def reason_against(self, readings: LineReadings, place: int, num_steps: int) -> str | None:
        """Return why a line cannot be followed, or None."""
        line = readings.lines[place]
        label = line.texts[0].classes
        if not label:
            return _EMPTY
        if not line.is_spelled_by(readings.num_classes):
            return _UNSPELLED
        if line.confidence < self.least_confidence:
            return _UNSURE
        if self.agreeing and not readings.agrees(place):
            return _WRONG
        return _CRAMPED if steps_needed(label) > num_steps else None

    def _tell(self) -> None:
        if self.left_out:
            reasons = ", ".join(f"{count} {why}" for why, count in self.left_out.most_common())
            log.info("%s left out of %d lines so far: %s", self.name, self.num_lines, reasons)


def nothing(logits: paddle.Tensor) -> paddle.Tensor:
    """Return 0 for a batch of which no line can be followed; its gradient is 0 too."""
    return (logits * 0.0).sum()
