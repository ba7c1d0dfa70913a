"""Lets teachers read an image as it was decoded, before anything changes it."""

from __future__ import annotations

from collections.abc import Sequence

from training.data.decode_image import DecodeImage
from training.data.sample import Draw, Sample
from training.distillation.teacher.contract import Teacher


class ReadByTeachers:
    """Decodes the image of a sample, and puts what teachers read in it beside the image.

    It stands in the place of `DecodeImage`, so that a line that another sample is joined to has
    been read too, whatever `ext_op_transform_idx` says.

    Args:
        decode: gives the image.
        teachers: that read.
    """

    def __init__(self, decode: DecodeImage, teachers: Sequence[Teacher]) -> None:
        self.decode = decode
        self.teachers = tuple(teachers)

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Decode and read; raises ImageError for what is no image, EngineError from a teacher."""
        sample = self.decode(sample, draw)
        for teacher in self.teachers:
            (sample.readings[teacher.plan.name],) = teacher.read([sample.image])
        return sample
