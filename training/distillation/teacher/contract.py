"""What a task's teachers have in common, and what they give to losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from training.distillation.teacher.section import TeacherPlan


class Teacher(Protocol):
    """A network in an ONNX file that reads images for other networks to learn from.

    It can be pickled, and is opened with the first image in each process.
    """

    @property
    def plan(self) -> TeacherPlan:
        """What the config says of it."""

    @property
    def view(self) -> str:
        """Hash of everything besides an image that decides what is read in it, the file's first."""

    def check(self) -> None:
        """Open it; raises ArtifactError or EngineError if it cannot be used."""

    def read(self, images: Sequence[Any]) -> Sequence[Any]:
        """Read images, BGR uint8 [h, w, 3] each; return a reading of each, which can be pickled."""

    def notes(self) -> list[str]:
        """Say what a person should know of it before training."""


class Readings(Protocol):
    """What a teacher read in the images of a batch."""

    def outputs(self) -> Any:
        """Return what stands beside the networks' outputs, under the teacher's name."""


class TeacherOutput(ABC):
    """Readings that losses between networks may take for the output of a network's head."""

    @abstractmethod
    def logits(self) -> Any:
        """Return logits, a float32 tensor of the shape that a network's output has."""

    @abstractmethod
    def decodable(self) -> Any:
        """Return what the task's post-processing decodes."""
