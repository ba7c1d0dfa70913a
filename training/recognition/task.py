"""Text recognition as a training task: lines of text, read by CTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from runtime.errors import OcrError
from runtime.recognition.charset import Charset, build_charset
from runtime.recognition.spec import RecognizerSpec, WidthPolicy
from training.data.synthetic import SyntheticDataSet
from training.recognition.batches import LineBatching
from training.recognition.decode import POST_PROCESSES
from training.recognition.heads import HEADS
from training.recognition.heads.outputs import head_outputs
from training.recognition.losses import LOSSES
from training.recognition.losses.checks import problems_of_losses
from training.recognition.metrics import METRICS
from training.recognition.necks import NECKS
from training.recognition.network import RecognitionNetwork
from training.recognition.predict import Prediction, predict, results_text, table
from training.recognition.report import DataReport, inspect_source
from training.recognition.transforms import TRANSFORMS, CTCLabelEncode, problems_of_order
from training.registry import Component, Problems, Registry
from training.task import Batch, Report

if TYPE_CHECKING:
    from training.config import GlobalConfig
    from training.data.build import DataPlan
    from training.data.dataset import SampleDataset
    from training.data.sample import SampleSource, Transform
    from training.plan import Plan
    from training.run import Run

_RENDERED_LINES_LOOKED_AT = 2000
"""Rendered lines can all be used; these are enough for the report's histograms."""


@dataclass(frozen=True)
class RecognitionTask:
    """The `Task` of reading lines of text.

    Args:
        charset: K - 1 characters.
        max_text_length: longest label in characters.
    """

    charset: Charset
    max_text_length: int

    model_type: ClassVar[str] = "rec"
    network: ClassVar[type[RecognitionNetwork]] = RecognitionNetwork
    necks: ClassVar[Registry] = NECKS
    heads: ClassVar[Registry] = HEADS
    losses: ClassVar[Registry] = LOSSES
    transforms: ClassVar[Registry] = TRANSFORMS
    post_processes: ClassVar[Registry] = POST_PROCESSES
    metrics: ClassVar[Registry] = METRICS

    @classmethod
    def read(cls, settings: GlobalConfig, problems: Problems) -> RecognitionTask | None:
        """Read the dictionary and the longest label."""
        try:
            charset = build_charset(settings.character_dict_path, settings.use_space_char)
        except OcrError as error:
            problems.add("Global.character_dict_path", str(error))
            return None
        return cls(charset, settings.max_text_length)

    @staticmethod
    def problems_of_network(section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Report a network without a sequence for its head, or with one neck too many."""
        head = section.get("Head")
        name = str(head.get("name")) if isinstance(head, Mapping) else ""
        has_own_neck = getattr(HEADS.builders.get(name), "has_own_neck", False)
        has_neck = section.get("Neck") is not None
        if has_own_neck and has_neck:
            yield "Neck", f"{name} has a neck of its own in its head_list: expected none here"
        if not has_own_neck and not has_neck:
            yield (
                "Neck",
                "a CTC head needs a sequence: expected a Neck, got none; "
                "add SequenceEncoder with encoder_type reshape",
            )

    @staticmethod
    def problems_of_transforms(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterable[str]:
        """Report transforms that are missing or stand in the wrong order."""
        return problems_of_order(entries)

    @staticmethod
    def head_outputs(head: Component) -> tuple[str, ...]:
        """Return the outputs of a `MultiHead` by name."""
        return head_outputs(head)

    def problems_of_plan(self, plan: Plan) -> Iterable[tuple[str, str]]:
        """Report heights that differ, and losses that lack what they need of data or dictionary."""
        train, evaluation = image_shape(plan.train), image_shape(plan.evaluation)
        if train[1] != evaluation[1]:
            message = f"expected the training height {train[1]}, got {evaluation[1]}"
            yield "Eval.dataset.transforms", message
        yield from problems_of_losses(plan, keep_keys(plan.train), self.num_classes)

    @property
    def num_classes(self) -> int:
        """K: blank, characters and space."""
        return self.charset.num_classes

    @property
    def injected(self) -> Mapping[str, Any]:
        """Dictionary and longest label, as data sets, transforms and decoders take them."""
        return {
            "charset": self.charset,
            "characters": self.charset.characters,
            "max_text_length": self.max_text_length,
        }

    def transforms_of(self, plan: DataPlan) -> list[Transform]:
        """Build the transforms of a data section."""
        injected = {**self.injected, "width_policy": width_policy_of(plan)}
        return [transform.build(**injected) for transform in plan.transforms]

    def report_on(
        self, plan: DataPlan, source: SampleSource, transforms: Sequence[Transform]
    ) -> DataReport:
        """Check every label, and the images."""
        is_rendered = isinstance(source, SyntheticDataSet)
        return inspect_source(
            source,
            plan.path,
            self.charset,
            next(transform for transform in transforms if isinstance(transform, CTCLabelEncode)),
            image_shape(plan)[1],
            width_policy_of(plan),
            getattr(source, "malformed", ()),
            getattr(source, "notes", ()),
            looked_at=_RENDERED_LINES_LOOKED_AT if is_rendered else None,
        )

    def batching(self, plan: DataPlan, dataset: SampleDataset, report: Report) -> LineBatching:
        """Return batches of lines of similar width."""
        assert isinstance(report, DataReport)
        is_rendered = isinstance(dataset.source, SyntheticDataSet)
        return LineBatching(
            dataset=dataset,
            ratios={} if is_rendered else report.ratios,
            width_policy=width_policy_of(plan),
            height=image_shape(plan)[1],
            loader=plan.loader,
            keep_keys=keep_keys(plan),
            num_classes=self.num_classes,
        )

    @property
    def fingerprint(self) -> Mapping[str, Sequence[str]]:
        """The characters."""
        return {"the dictionary": self.charset.characters}

    def score(self, run: Run, outputs: Any, batch: Batch) -> None:
        """Decode the networks' outputs for a batch, and add them to the run's metric."""
        run.metric(run.post_process(outputs, batch.arrays["label"]))

    def predictions(self, run: Run, files: Iterable[str]) -> Iterator[Prediction]:
        """Yield the readings of every network for each image file."""
        height, width_policy = deployed_input(run.plan.evaluation)
        spec = RecognizerSpec(self.charset.characters, height=height, width=width_policy)
        return predict(run, files, spec)

    def table(self, predictions: Sequence[Prediction]) -> str:
        """Return a row for each file with text and confidence by each network."""
        return table(predictions)

    def results_text(self, predictions: Iterable[Prediction]) -> str:
        """Return PaddleOCR's result file."""
        return results_text(predictions)


def image_shape(plan: DataPlan) -> tuple[int, int, int]:
    """Return [C, H, W] of a section's `RecResizeImg`."""
    channels, height, width = (plan.options_of("RecResizeImg") or {})["image_shape"]
    return channels, height, width


def keep_keys(plan: DataPlan) -> tuple[str, ...]:
    """Return the arrays that a section's batches hand to the loss."""
    return tuple((plan.options_of("KeepKeys") or {})["keep_keys"])


def width_policy_of(plan: DataPlan) -> WidthPolicy:
    """Return the input widths of a section's images."""
    loader, shape_width = plan.loader, image_shape(plan)[2]
    if loader.width_step == 0:
        return WidthPolicy(shape_width, shape_width, shape_width)
    max_px = loader.max_width or (shape_width if plan.is_training else WidthPolicy().max_px)
    return WidthPolicy(loader.width_step, min(loader.width_step, max_px), max_px)


def deployed_input(plan: DataPlan) -> tuple[int, WidthPolicy]:
    """Return input height in px and width policy of the deployed model, from an `Eval` section.

    As in evaluation; where that pads to PaddleOCR's fixed width, no line is narrower than that
    width and longer ones are not squeezed, as PaddleOCR serves.
    """
    _, height, shape_width = image_shape(plan)
    if plan.loader.width_step:
        return height, width_policy_of(plan)
    max_px = plan.loader.max_width or WidthPolicy().max_px
    return height, WidthPolicy(min_px=shape_width, max_px=max(shape_width, max_px))
