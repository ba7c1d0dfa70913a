"""The transform that every task begins with."""

from __future__ import annotations

from typing import Literal

from runtime.images.read import read_image
from training.data.sample import Draw, Sample


class DecodeImage:
    """Decodes image files to BGR, by the same reader that serves in production."""

    def __init__(
        self, img_mode: Literal["BGR"] = "BGR", channel_first: Literal[False] = False
    ) -> None:
        pass

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Decode the image of a sample; raises ImageError when it is none."""
        sample.image = read_image(sample.image)
        return sample
