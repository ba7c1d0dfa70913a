"""Lets teachers mark text on an image as the networks see it, before it is normalised for them."""

from __future__ import annotations

from collections.abc import Sequence

from training.data.sample import Draw, Sample, Transform
from training.distillation.teacher.contract import Teacher


class MarkByTeachers:
    """Puts what teachers mark on the image of a sample beside it, and then normalises the image.

    Args:
        normalize: the step in whose place it stands.
        teachers: that mark.
    """

    def __init__(self, normalize: Transform, teachers: Sequence[Teacher]) -> None:
        self.normalize = normalize
        self.teachers = tuple(teachers)

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Mark text on the image of a sample, uint8 [h, w, 3]; raises EngineError of a teacher."""
        for teacher in self.teachers:
            (sample.readings[teacher.plan.name],) = teacher.read([sample.image])
        return self.normalize(sample, draw)
