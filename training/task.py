"""The interface of a task; everything outside the task folders goes through it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from training.registry import Component, Problems, Registry

if TYPE_CHECKING:
    from training.config import GlobalConfig
    from training.data.build import DataPlan
    from training.data.dataset import SampleDataset
    from training.data.planned import PlannedBatch, Size
    from training.data.sample import Sample, SampleSource, Transform
    from training.distillation.teacher.contract import Readings, Teacher
    from training.distillation.teacher.section import TeacherPlan
    from training.fine_tuning.suited import Suited
    from training.loop.parallel import Group
    from training.network import Network
    from training.networks import NetworkPlan
    from training.plan import Plan
    from training.run import Run


@dataclass(frozen=True)
class Batch:
    """Samples side by side, as the network and the losses take them.

    Args:
        names: where each sample came from.
        arrays: by PaddleOCR's `KeepKeys` names, N along the first axis: `image`, `label`, ….
        readings: what teachers that are ONNX files read in the images, by their names.
    """

    names: tuple[str, ...]
    arrays: Mapping[str, NDArray[Any]]
    readings: Mapping[str, Readings] = field(default_factory=dict)

    def beside(self, outputs: Any) -> Any:
        """Return the networks' outputs by name with those of the teachers beside them."""
        if not self.readings:
            return outputs
        return {**outputs, **{name: read.outputs() for name, read in self.readings.items()}}


@dataclass(frozen=True)
class StartingWeights:
    """Weights of a checkpoint that a network starts from.

    Args:
        parameters: by the names of one network.
        file: that they were read from.
        network: its name in the checkpoint; empty for one by itself.
        where: key and file, for messages.
        settings: the `Global` section.
    """

    parameters: Mapping[str, NDArray[Any]]
    file: Path
    network: str
    where: str
    settings: GlobalConfig


class Report(Protocol):
    """The content of a data set, looked at before training."""

    @property
    def kept(self) -> Sequence[int]:
        """Indices that are used."""

    def lines(self) -> list[str]:
        """Return the report as text."""

    @property
    def sha256(self) -> str:
        """Hash of what is kept, which tells whether a resumed run sees the same data."""

    def refuse_unreadable(self, share: float) -> None:
        """Raise DatasetError if more than this share (0 .. 1) of the images cannot be read."""

    def as_json(self) -> dict[str, Any]:
        """Return the figures; `dropped` maps each reason to a count."""


class Prediction(Protocol):
    """What the networks read in one image."""

    @property
    def error(self) -> str | None:
        """Why the image could not be read, else None."""

    def as_json(self) -> Mapping[str, Any]:
        """Return what was read, by network."""


class EvaluationPage(Protocol):
    """What the main network made of each sample, as an HTML page."""

    def take(self, decoded: Any, batch: Batch) -> None:
        """Add a batch, decoded as `Task.score` returns it."""

    def html(
        self,
        facts: Mapping[str, str],
        figures: Mapping[str, Mapping[str, float]],
        source: SampleSource,
        indices: Iterable[int],
        is_short: bool = False,
    ) -> str:
        """Return the page: what was evaluated, figures of every network, samples with pictures.

        Of samples only the worst are shown, and of a short page fewer.
        """


class Batching(Protocol):
    """How samples become batches."""

    def fitted_to(self, network: Network) -> Batching:
        """Return the batching that suits a network's strides."""

    def plan(self, epoch: int, num_processes: int = 1) -> list[PlannedBatch]:
        """Return the training batches of an epoch: a pure function of the seed."""

    def training_batch(
        self, samples: Sequence[Sample], group: Group, size: Size | None = None
    ) -> Batch:
        """Return the batch of these samples, of one shape in every process of the group.

        Args:
            samples: of one planned batch, or this process's share of it.
            group: the processes.
            size: of the planned batch.
        """

    def evaluation_batches(self, samples: Iterable[Sample]) -> Iterator[Batch]:
        """Yield batches as the samples would be served."""


class Task(Protocol):
    """A task: its tables, and how its data become batches, figures and predictions.

    An instance belongs to one config and holds its settings, such as the dictionary.
    """

    model_type: ClassVar[str]
    """PaddleOCR's name, the `Architecture.model_type` of a config."""
    network: ClassVar[type[Network]]
    network_keys: ClassVar[frozenset[str]]
    """Keys of a network's section that only this task knows."""
    teacher_keys: ClassVar[frozenset[str]]
    """Keys of a teacher's section that say what an ONNX file leaves open."""
    teacher_outputs: ClassVar[tuple[str, ...]]
    """What losses may name as `key` of a teacher that is an ONNX file."""
    backbones: ClassVar[Registry]
    necks: ClassVar[Registry]
    heads: ClassVar[Registry]
    losses: ClassVar[Registry]
    transforms: ClassVar[Registry]
    post_processes: ClassVar[Registry]
    metrics: ClassVar[Registry]

    @classmethod
    def read(cls, settings: GlobalConfig, problems: Problems) -> Task | None:
        """Read what the `Global` section says about the task; None if it cannot be used."""

    @staticmethod
    def foreign_notes(plan: DataPlan) -> Iterable[str]:
        """Say what an `Eval` section does otherwise than PaddleOCR, for weights of its training."""

    @staticmethod
    def suited_to(num_samples: int) -> Suited | None:
        """Return the settings that suit so many samples; None where no rule is known."""

    @staticmethod
    def problems_of_network(section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Yield key and message of what is wrong with a network's section."""

    @staticmethod
    def problems_of_teacher(options: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Yield key and message of values of `teacher_keys` that cannot be."""

    @staticmethod
    def problems_of_transforms(
        entries: Sequence[tuple[str, Mapping[str, Any]]], is_sized: bool
    ) -> Iterable[str]:
        """Yield what is wrong with a list of transforms, each known by itself.

        Args:
            entries: name and options of each.
            is_sized: whether a sampler decides about the sizes of images.
        """

    @staticmethod
    def head_outputs(head: Component) -> tuple[str, ...]:
        """Return the names of what a head returns in training; none if it is one output alone."""

    def problems_of_plan(self, plan: Plan) -> Iterable[tuple[str, str]]:
        """Yield path and message of sections that do not fit together."""

    def num_classes_of(self, network: NetworkPlan) -> int:
        """Return K of a network's head; 0 where heads have no classes."""

    def teacher(self, plan: TeacherPlan) -> Teacher:
        """Return a teacher that is an ONNX file, which is not opened yet."""

    def started(
        self,
        network: NetworkPlan,
        own: Mapping[str, NDArray[Any]],
        weights: StartingWeights,
    ) -> tuple[dict[str, NDArray[Any]], str | None]:
        """Bring weights that a network starts from to what its outputs stand for here.

        Args:
            network: to be started.
            own: its arrays, as initialised.
            weights: the checkpoint's.

        Returns:
            The arrays to load, and what became of them in words; None where nothing did.

        Raises:
            CheckpointError: if what they stand for has to be told, naming the key.
        """

    def remembered(self, plan: Plan) -> Mapping[str, Any]:
        """Return what a checkpoint's `.states` keep of the meaning of the networks' outputs."""

    def fit(self, networks: Mapping[str, Network], plan: Plan) -> None:
        """Fit the networks that a config describes to its data."""

    @property
    def injected(self) -> Mapping[str, Any]:
        """Parameters that the task supplies to transforms and post-processing."""

    def supplied_to(self, plan: DataPlan) -> Mapping[str, Any]:
        """Return the parameters that the task supplies to the data set of a section."""

    def transforms_of(self, plan: DataPlan) -> list[Transform]:
        """Build the transforms of a data section; one of them lets its teachers read."""

    def report_on(
        self, plan: DataPlan, source: SampleSource, transforms: Sequence[Transform]
    ) -> Report:
        """Inspect a data set before training; raises DatasetError if nothing can be used."""

    def batching(self, plan: DataPlan, dataset: SampleDataset, report: Report) -> Batching:
        """Return how the samples of a data section become batches."""

    @property
    def fingerprint(self) -> Mapping[str, Sequence[str]]:
        """What decides what labels stand for, under a name that a person knows: the dictionary."""

    def score(self, run: Run, outputs: Any, batch: Batch) -> Any:
        """Decode the networks' outputs for a batch, add them to the run's metric, return them."""

    @staticmethod
    def page(run: Run) -> EvaluationPage:
        """Open an HTML page of an evaluation."""

    def predictions(self, run: Run, files: Iterable[str]) -> Iterator[Prediction]:
        """Yield a prediction for each image file, in order, by the path that serves."""

    def table(self, predictions: Sequence[Any]) -> str:
        """Return predictions as a table for a person."""

    def results_text(self, predictions: Iterable[Any]) -> str:
        """Return predictions as PaddleOCR's result file."""


def stacked(samples: Sequence[Sample], keys: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return the values of samples by name, N along the first axis; all of one shape."""
    return {key: np.stack([sample.values[key] for sample in samples]) for key in keys}
