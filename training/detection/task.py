"""Text detection as a training task: pages, whose text is marked and then boxed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from training.detection.backbones import BACKBONES
from training.detection.batches import PageBatching
from training.detection.checks import problems_of_parts, problems_of_plan
from training.detection.heads import HEADS
from training.detection.heads.outputs import head_outputs
from training.detection.losses import LOSSES
from training.detection.metrics import METRICS
from training.detection.necks import NECKS
from training.detection.network import DetectionNetwork
from training.detection.page.page import EvaluationPage
from training.detection.post_process import POST_PROCESSES
from training.detection.predict import Prediction, predict, results_text, table
from training.detection.report import PageReport, inspect_pages
from training.detection.teacher.page_teacher import PageTeacher
from training.detection.teacher.transform import MarkByTeachers
from training.detection.transforms import TRANSFORMS, NormalizeImage, problems_of_order
from training.detection.unlabelled import PageLister
from training.registry import Component, Problems, Registry
from training.task import Batch, Report, StartingWeights

if TYPE_CHECKING:
    from training.config import GlobalConfig
    from training.data.build import DataPlan
    from training.data.dataset import SampleDataset
    from training.data.sample import SampleSource, Transform
    from training.distillation.teacher.section import TeacherPlan
    from training.network import Network
    from training.networks import NetworkPlan
    from training.plan import Plan
    from training.run import Run

_RENDERED_PAGES_LOOKED_AT = 40
"""Pages that are drawn from a number can all be used; these are enough for the report's figures."""


@dataclass(frozen=True)
class DetectionTask:
    """The `Task` of finding text on pages; a config has no settings of it in `Global`."""

    model_type: ClassVar[str] = "det"
    network: ClassVar[type[DetectionNetwork]] = DetectionNetwork
    network_keys: ClassVar[frozenset[str]] = frozenset()
    backbones: ClassVar[Registry] = BACKBONES
    necks: ClassVar[Registry] = NECKS
    heads: ClassVar[Registry] = HEADS
    teacher_keys: ClassVar[frozenset[str]] = frozenset()
    teacher_outputs: ClassVar[tuple[str, ...]] = ("maps",)
    losses: ClassVar[Registry] = LOSSES
    transforms: ClassVar[Registry] = TRANSFORMS
    post_processes: ClassVar[Registry] = POST_PROCESSES
    metrics: ClassVar[Registry] = METRICS

    @classmethod
    def read(cls, settings: GlobalConfig, problems: Problems) -> DetectionTask:
        """Return the task, which takes nothing of `Global`."""
        return cls()

    @staticmethod
    def suited_to(num_samples: int) -> None:
        """Return None: what suits a number of pages was not measured."""

    @staticmethod
    def problems_of_network(section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Report a network without a neck, or with auxiliary heads that nothing feeds."""
        return problems_of_parts(section)

    @staticmethod
    def problems_of_teacher(options: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Report nothing: what an ONNX file leaves open is PaddleOCR's convention."""
        return ()

    @staticmethod
    def problems_of_transforms(
        entries: Sequence[tuple[str, Mapping[str, Any]]], is_sized: bool
    ) -> Iterable[str]:
        """Report transforms that are missing or stand in the wrong order."""
        return problems_of_order(entries, is_sized)

    @staticmethod
    def head_outputs(head: Component) -> tuple[str, ...]:
        """Return the maps of a head by name."""
        return head_outputs(head)

    def problems_of_plan(self, plan: Plan) -> Iterable[tuple[str, str]]:
        """Report sizes that no network takes, and losses of heads that there are not."""
        return problems_of_plan(plan)

    def num_classes_of(self, network: NetworkPlan) -> int:
        """Return 0: heads give maps."""
        return 0

    def teacher(self, plan: TeacherPlan) -> PageTeacher:
        """Return a detector in an ONNX file that marks text on pages."""
        return PageTeacher(plan)

    def started(
        self,
        network: NetworkPlan,
        own: Mapping[str, NDArray[Any]],
        weights: StartingWeights,
    ) -> tuple[dict[str, NDArray[Any]], str | None]:
        """Leave the weights as they are: maps stand for the same everywhere."""
        return dict(weights.parameters), None

    def remembered(self, plan: Plan) -> Mapping[str, Any]:
        """Return nothing: maps stand for the same everywhere."""
        return {}

    def fit(self, networks: Mapping[str, Network], plan: Plan) -> None:
        """Leave the networks as they are: they take images of any size."""

    @property
    def injected(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def supplied_to(self, plan: DataPlan) -> Mapping[str, Any]:
        """Return what lists pages without labels; else a data set takes what its section says."""
        return {"labeller": PageLister()}

    def transforms_of(self, plan: DataPlan) -> list[Transform]:
        """Build the transforms of a data section.

        Teachers mark text on the pixels that the networks see, normalised as they need it.
        """
        transforms: list[Transform] = [transform.build() for transform in plan.transforms]
        if not plan.teachers:
            return transforms
        return [
            MarkByTeachers(step, plan.teachers) if isinstance(step, NormalizeImage) else step
            for step in transforms
        ]

    def report_on(
        self, plan: DataPlan, source: SampleSource, transforms: Sequence[Transform]
    ) -> PageReport:
        """Check every label, and the images."""
        return inspect_pages(
            source,
            plan.path,
            getattr(source, "malformed", ()),
            getattr(source, "notes", ()),
            looked_at=_RENDERED_PAGES_LOOKED_AT if hasattr(source, "provenance") else None,
        )

    def batching(self, plan: DataPlan, dataset: SampleDataset, report: Report) -> PageBatching:
        """Return batches of crops, or of whole pages of one size."""
        kept = tuple((plan.options_of("KeepKeys") or {})["keep_keys"])
        return PageBatching(dataset, plan.loader, kept)

    @property
    def fingerprint(self) -> Mapping[str, Sequence[str]]:
        """Nothing: maps stand for the same whatever the config says."""
        return {}

    def score(self, run: Run, outputs: Any, batch: Batch) -> Any:
        """Find boxes in the networks' outputs, and add them to the run's metric.

        Returns:
            `Boxes` of each image; by network of several. None of a training batch, which holds maps
            and no boxes to score by.
        """
        if "polys" not in batch.arrays:
            return None
        found = run.post_process(outputs, batch.arrays["shape"])
        run.metric(found, batch.arrays)
        return found

    @staticmethod
    def foreign_notes(plan: DataPlan) -> Iterable[str]:
        """Return nothing: pages are resized as `Eval` says."""
        return ()

    @staticmethod
    def page(run: Run) -> EvaluationPage:
        """Open an HTML page of an evaluation."""
        return EvaluationPage(run.main_name)

    def predictions(self, run: Run, files: Iterable[str]) -> Iterator[Prediction]:
        """Yield the boxes of every network for each image file."""
        return predict(run, files)

    def table(self, predictions: Sequence[Prediction]) -> str:
        """Return a row for each file with boxes and mean score by each network."""
        return table(predictions)

    def results_text(self, predictions: Iterable[Prediction]) -> str:
        """Return PaddleOCR's result file."""
        return results_text(predictions)
