"""Decides whether what a teacher read in the views of a line is good enough to be its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np

from runtime.pages.spaces import with_spaces
from runtime.recognition.charset import BLANK_INDEX, SPACE
from runtime.recognition.reading_order import reading_order
from runtime.recognition.result import Recognition
from training.data.unlabelled import MOST_VIEWS, problems_of_demands
from training.recognition.teacher.line_teacher import LineTeacher
from training.recognition.teacher.reading import LineReading
from training.recognition.unlabelled.views import Image, views_of

Spaces = Literal["teacher", "gaps", "drop"]
"""The teacher's spaces alone; with those that gaps between its characters tell of; or lines in
which a gap tells of a space that the teacher did not read are dropped."""

EMPTY = "without text"
OUTSIDE = "with a character outside the dictionary"
UNSURE = "unsure"
DISAGREE = "read differently in another view"
LONG = "longer than max_text_length"
LACKS_SPACE = "with a gap where no space was read"
REASONS = (EMPTY, OUTSIDE, UNSURE, DISAGREE, LONG, LACKS_SPACE)

_FINE = 1000
"""Parts of a time step, in which the length of a line is given."""


@dataclass(frozen=True)
class Demands:
    """What is asked of a line that is to be learnt from.

    Args:
        views: in which it is read, 1 to 3; 1 asks nothing of agreement.
        least_confidence: mean probability of its characters, in every view, 0 .. 1.
        spaces: whose spaces its label has.
        seed: of the views.
    """

    views: int = MOST_VIEWS
    least_confidence: float = 0.9
    spaces: Spaces = "gaps"
    seed: int = 0

    @staticmethod
    def problems_of(options: dict[str, Any]) -> list[tuple[str, str]]:
        """Report demands that no line can meet."""
        problems = problems_of_demands(options)
        if options.get("spaces", "gaps") not in get_args(Spaces):
            known = ", ".join(get_args(Spaces))
            problems.append(("spaces", f"expected one of {known}, got {options['spaces']!r}"))
        return problems


@dataclass(frozen=True)
class Verdict:
    """What became of a line.

    Args:
        text: what was read, in the order of reading.
        confidence: the least of all views that were read.
        reason: why it is dropped, one of `REASONS`; None where it is kept.
        outside: characters of the text that the dictionary lacks.
    """

    text: str
    confidence: float
    reason: str | None = None
    outside: str = ""


class Judge:
    """Lets a teacher read lines, and decides which of them can be learnt from.

    Args:
        teacher: reads.
        max_text_length: characters of the longest label.
        demands: of a line.
    """

    def __init__(self, teacher: LineTeacher, max_text_length: int, demands: Demands) -> None:
        self.teacher = teacher
        self.max_text_length = max_text_length
        self.demands = demands

    def __call__(self, image: Image) -> Verdict:
        """Judge a line, BGR uint8 [h, w, 3]; raises EngineError of the teacher."""
        views = views_of(image, self.demands.views, self.demands.seed)
        first = self._read(views[0])
        text, confidence = _text_of(first), first.confidence
        # One view is often enough to see that a line is none to learn from.
        reason, outside = self._reason_against(first)
        if reason is not None:
            return Verdict(text, confidence, reason, outside)
        for view in views[1:]:
            reading = self._read(view)
            confidence = min(confidence, reading.confidence)
            if self._compared(_text_of(reading)) != self._compared(text):
                return Verdict(text, confidence, DISAGREE)
        if confidence < self.demands.least_confidence:
            return Verdict(text, confidence, UNSURE)
        text, reason = self._with_spaces(text, first, image)
        if reason is None and len(text) > self.max_text_length:
            reason = LONG
        return Verdict(text, confidence, reason)

    def _read(self, view: Image) -> LineReading:
        (reading,) = self.teacher.read([view])
        return reading

    def _compared(self, text: str) -> str:
        """Return what has to be the same in all views: spaces too, where they are the teacher's."""
        return text if self.demands.spaces == "teacher" else text.replace(SPACE, "")

    def _reason_against(self, reading: LineReading) -> tuple[str | None, str]:
        """Return why a line is none to learn from, and its characters outside the dictionary."""
        if not _text_of(reading).strip():
            return EMPTY, ""
        num_classes = self.teacher.charset.num_classes
        if not reading.is_spelled_by(num_classes):
            characters = self.teacher.counterparts.characters
            numbers = {number for number in reading.texts[0].classes if number >= num_classes}
            return OUTSIDE, "".join(sorted(characters[number - 1] for number in numbers))
        if reading.confidence < self.demands.least_confidence:
            return UNSURE, ""
        return None, ""

    def _with_spaces(self, text: str, reading: LineReading, image: Image) -> tuple[str, str | None]:
        """Return a text with the spaces that gaps tell of, or a reason to drop its line."""
        has_space = SPACE in self.teacher.charset.class_of
        if self.demands.spaces == "teacher" or not has_space:
            return text, None
        recognition = recognition_of(reading, self.teacher.counterparts.characters)
        if recognition.text != text:  # the best path spells another text: no place is known
            return text, None
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        spaced = with_spaces(recognition, gray).text
        if spaced != text and self.demands.spaces == "drop":
            return text, LACKS_SPACE
        return spaced, None


def _text_of(reading: LineReading) -> str:
    """Return the text of a reading in the order of reading."""
    text = reading.text
    return "".join(text[place] for place in reading_order(text))


def recognition_of(reading: LineReading, characters: Sequence[str]) -> Recognition:
    """Return the best path of a reading as the runtime has it, with its time steps.

    Args:
        reading: of a line.
        characters: of each joint class from 1 on.
    """
    best = reading.classes[:, 0]
    changes = np.flatnonzero(np.diff(best)) + 1
    begins = np.concatenate([[0], changes])
    ends = np.concatenate([changes, [len(best)]]) - 1
    is_character = best[begins] != BLANK_INDEX
    begins, ends = begins[is_character], ends[is_character]
    texts = tuple(characters[number - 1] for number in best[begins].tolist())
    return Recognition(
        "".join(texts),
        reading.confidence,
        characters=texts,
        character_confidences=tuple(reading.probabilities[begins, 0].tolist()),
        time_steps=tuple(begins.tolist()),
        last_time_steps=tuple(ends.tolist()),
        num_time_steps=len(best),
        input_width_px=_FINE * len(best),
        content_width_px=max(1, round(_FINE * reading.line_steps)),
    )
