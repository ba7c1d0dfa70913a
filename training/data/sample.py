"""Samples, and the interfaces of their sources and transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import OcrError
from training.data.planned import Size

Image = NDArray[np.uint8]
OF_ONE_SAMPLE = (OcrError, cv2.error, MemoryError)
"""Errors that an odd image may raise; any other is a bug of ours and keeps its traceback."""


@dataclass
class Sample:
    """One labelled image on its way through the transforms.

    Args:
        image: encoded bytes, or BGR uint8 [h, w, 3] once decoded.
        text: the label as the source has it: the text of a line, the boxes of a page.
        name: path or key, for messages.
        values: what transforms made of the label, by PaddleOCR's `KeepKeys` names.
        readings: what teachers that are ONNX files read in the image, by their names.
        replaced: the unusable sample that this one replaces in training, if any.
    """

    image: Any
    text: str
    name: str
    values: dict[str, Any] = field(default_factory=dict)
    readings: dict[str, Any] = field(default_factory=dict)
    replaced: Failure | None = None


@dataclass(frozen=True)
class Failure:
    """A sample that could not be used.

    Args:
        name: path or key.
        reason: why.
    """

    name: str
    reason: str

    @staticmethod
    def of(name: str, error: Exception) -> Failure:
        """Describe one of the errors `OF_ONE_SAMPLE` in a line."""
        reason = " ".join(str(error).split())
        return Failure(
            name, reason if isinstance(error, OcrError) else f"{type(error).__name__}: {reason}"
        )

    def __str__(self) -> str:
        return self.reason if self.name in self.reason else f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Draw:
    """What a transform may draw on: its random numbers and other samples.

    Args:
        rng: generator that belongs to this sample alone.
        other_sample: another sample, chosen with `rng`, after the first transforms.
        size: that of the images of the sample's batch, where the batch decides it.
        epoch: from 0.
    """

    rng: np.random.Generator
    other_sample: Callable[[], Sample]
    size: Size | None = None
    epoch: int = 0


class Transform(Protocol):
    """One step from source to network input."""

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Change and return `sample`; raises OcrError when the sample cannot be used."""


class SampleSource(Protocol):
    """Labelled images by index. Pure: the same index and epoch give the same sample."""

    def __len__(self) -> int: ...

    def read(self, index: int, epoch: int) -> Sample:
        """Read sample `index` as it is in `epoch`."""

    def text(self, index: int, epoch: int) -> str:
        """Return the label of sample `index` without its image."""

    def ratio(self, index: int, epoch: int) -> float:
        """Return width over height of sample `index`, at least roughly.

        Raises OcrError if it cannot be read.
        """

    def indices(self, epoch: int) -> Sequence[int]:
        """Return the samples of `epoch`: all, or a random part where `ratio_list` says so."""
