"""Text recognition as a training task: lines of text, read by CTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from runtime.errors import OcrError
from runtime.recognition.charset import Charset, build_charset
from training.data.decode_image import DecodeImage
from training.data.synthetic import SyntheticDataSet
from training.recognition.backbones import BACKBONES
from training.recognition.batches import LineBatching
from training.recognition.decode import POST_PROCESSES
from training.recognition.fitting import (
    DICTIONARY,
    charset_of,
    fit_networks,
    problems_of_fit,
    problems_of_network,
)
from training.recognition.heads import HEADS
from training.recognition.heads.outputs import head_outputs
from training.recognition.inputs import (
    deployed_spec,
    foreign_notes,
    heights,
    image_shape,
    keep_keys,
    resize_of,
    width_policy_of,
    widths_of,
)
from training.recognition.labels import MultiLabelEncode, ctc_label, label_encode_of
from training.recognition.losses import LOSSES
from training.recognition.losses.checks import problems_of_losses
from training.recognition.metrics import METRICS
from training.recognition.necks import NECKS
from training.recognition.network import RecognitionNetwork
from training.recognition.page.page import EvaluationPage
from training.recognition.predict import Prediction, predict, results_text, table
from training.recognition.report import DataReport, inspect_source
from training.recognition.start import PRETRAINED_DICTIONARY, remembered, with_classes_of
from training.recognition.suited import suited_to
from training.recognition.teacher.line_teacher import KEYS, LineTeacher
from training.recognition.teacher.transform import ReadByTeachers
from training.recognition.transforms import (
    ENCODES,
    TRANSFORMS,
    KeepKeys,
    ResizeToBatch,
    problems_of_order,
)
from training.recognition.unlabelled.labeller import LineLabeller
from training.registry import Component, Problems, Registry
from training.task import Batch, Report, StartingWeights

if TYPE_CHECKING:
    from training.config import GlobalConfig
    from training.data.build import DataPlan
    from training.data.dataset import SampleDataset
    from training.data.sample import SampleSource, Transform
    from training.distillation.teacher.section import TeacherPlan
    from training.fine_tuning.suited import Suited
    from training.network import Network
    from training.networks import NetworkPlan
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
        use_space_char: whether dictionaries are followed by a space.
    """

    charset: Charset
    max_text_length: int
    use_space_char: bool = True

    model_type: ClassVar[str] = "rec"
    network: ClassVar[type[RecognitionNetwork]] = RecognitionNetwork
    network_keys: ClassVar[frozenset[str]] = frozenset({DICTIONARY, PRETRAINED_DICTIONARY})
    backbones: ClassVar[Registry] = BACKBONES
    necks: ClassVar[Registry] = NECKS
    heads: ClassVar[Registry] = HEADS
    teacher_keys: ClassVar[frozenset[str]] = KEYS
    teacher_outputs: ClassVar[tuple[str, ...]] = ("head_out",)
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
        return cls(charset, settings.max_text_length, settings.use_space_char)

    @staticmethod
    def suited_to(num_samples: int) -> Suited | None:
        """Return the settings of fine-tuning on so many lines."""
        return suited_to(num_samples)

    @staticmethod
    def foreign_notes(plan: DataPlan) -> Iterable[str]:
        """Say how lines are read otherwise than in PaddleOCR."""
        return foreign_notes(plan)

    @staticmethod
    def page(run: Run) -> EvaluationPage:
        """Open an HTML page of an evaluation."""
        return EvaluationPage(run.main_name)

    @staticmethod
    def problems_of_network(section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Report a network whose backbone, neck and head do not suit each other."""
        return problems_of_network(section)

    @staticmethod
    def problems_of_teacher(options: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Report what is said of an ONNX file and cannot be."""
        return LineTeacher.problems_of(options)

    @staticmethod
    def problems_of_transforms(
        entries: Sequence[tuple[str, Mapping[str, Any]]], is_sized: bool
    ) -> Iterable[str]:
        """Report transforms that are missing or stand in the wrong order."""
        return problems_of_order(entries, is_sized)

    @staticmethod
    def head_outputs(head: Component) -> tuple[str, ...]:
        """Return the outputs of a `MultiHead` by name."""
        return head_outputs(head)

    def problems_of_plan(self, plan: Plan) -> Iterable[tuple[str, str]]:
        """Report heights that differ, and losses that lack what they need of data or dictionary."""
        yield from problems_of_fit(plan, self.use_space_char)
        for data in (plan.train, plan.evaluation):
            longest, length = self.longest_label(data), data.dataset.options.get("max_text_length")
            if length is not None and length > longest:
                message = f"expected at most {longest}, the longest label, got {length}"
                yield f"{data.path}.dataset.max_text_length", message
        yield from problems_of_losses(plan, keep_keys(plan.train), self.num_classes)

    @property
    def num_classes(self) -> int:
        """K: blank, characters and space."""
        return self.charset.num_classes

    def charset_of(self, network: NetworkPlan) -> Charset:
        """Return the characters of a network; raises OcrError if it names an unreadable file."""
        return charset_of(network, self.charset, self.use_space_char)

    def num_classes_of(self, network: NetworkPlan) -> int:
        """Return K of a network: blank, characters and space."""
        return self.charset_of(network).num_classes

    def teacher(self, plan: TeacherPlan) -> LineTeacher:
        """Return a recogniser in an ONNX file that reads lines in the run's classes."""
        return LineTeacher(plan, self.charset)

    def started(
        self,
        network: NetworkPlan,
        own: Mapping[str, NDArray[Any]],
        weights: StartingWeights,
    ) -> tuple[dict[str, NDArray[Any]], str | None]:
        """Keep the classes of heads by character; raises CheckpointError if nothing tells them."""
        return with_classes_of(self.charset_of(network), own, weights, network)

    def remembered(self, plan: Plan) -> Mapping[str, Any]:
        """Return the characters of the run, and those of networks that have others."""
        networks = plan.model.networks.items()
        return remembered(self.charset, {name: self.charset_of(own) for name, own in networks})

    def fit(self, networks: Mapping[str, Network], plan: Plan) -> None:
        """Map classes of other dictionaries; let time steps follow the width of the batches."""
        follows_width = plan.train.loader.width_step != 0
        fit_networks(
            networks, plan.model.networks, self.charset, self.use_space_char, follows_width
        )

    @property
    def injected(self) -> Mapping[str, Any]:
        """Dictionary and longest label, as transforms and decoders take them."""
        return {
            "charset": self.charset,
            "characters": self.charset.characters,
            "max_text_length": self.max_text_length,
        }

    def longest_label(self, plan: DataPlan) -> int:
        """Return the characters of the longest text that a section's labels can hold."""
        encode = next(transform for transform in plan.transforms if transform.name in ENCODES)
        longest: int = encode.build(**self.injected).longest
        return longest

    def supplied_to(self, plan: DataPlan) -> Mapping[str, Any]:
        """Return dictionary, longest label and labeller of the data set of a section."""
        longest, teacher = self.longest_label(plan), plan.labelled_by
        supplied = {**self.injected, "max_text_length": longest}
        if isinstance(teacher, LineTeacher):
            supplied["labeller"] = LineLabeller(teacher, longest)
        return supplied

    def transforms_of(self, plan: DataPlan) -> list[Transform]:
        """Build the transforms of a data section; a sampler's images are resized at the end.

        Teachers read the images as they were decoded.
        """
        injected = {
            **self.injected,
            "width_policy": width_policy_of(plan),
            "longest_label": self.longest_label(plan),
            "resize": resize_of(plan),
        }
        transforms = [transform.build(**injected) for transform in plan.transforms]
        if plan.teachers:
            transforms = [
                ReadByTeachers(step, plan.teachers) if isinstance(step, DecodeImage) else step
                for step in transforms
            ]
        if plan.sampler is not None:
            (place,) = (
                place for place, step in enumerate(transforms) if isinstance(step, KeepKeys)
            )
            transforms.insert(place, ResizeToBatch(widths_of(plan)))
        return transforms

    def report_on(
        self, plan: DataPlan, source: SampleSource, transforms: Sequence[Transform]
    ) -> DataReport:
        """Check every label, and the images."""
        return inspect_source(
            source,
            plan.path,
            self.charset,
            label_encode_of(transforms),
            image_shape(plan)[1],
            width_policy_of(plan),
            getattr(source, "malformed", ()),
            getattr(source, "notes", ()),
            looked_at=_RENDERED_LINES_LOOKED_AT if isinstance(source, SyntheticDataSet) else None,
        )

    def batching(self, plan: DataPlan, dataset: SampleDataset, report: Report) -> LineBatching:
        """Return batches of lines of similar width."""
        assert isinstance(report, DataReport)
        is_rendered = isinstance(dataset.source, SyntheticDataSet)
        encode = label_encode_of(dataset.transforms)
        return LineBatching(
            dataset=dataset,
            ratios={} if is_rendered else report.ratios,
            width_policy=width_policy_of(plan),
            height=max(heights(plan)),
            loader=plan.loader,
            keep_keys=keep_keys(plan),
            num_classes=self.num_classes,
            label_length=encode.max_text_length if isinstance(encode, MultiLabelEncode) else None,
            sampler=plan.sampler,
        )

    @property
    def fingerprint(self) -> Mapping[str, Sequence[str]]:
        """The characters."""
        return {"the dictionary": self.charset.characters}

    def score(self, run: Run, outputs: Any, batch: Batch) -> Any:
        """Decode the networks' outputs for a batch, and add them to the run's metric.

        Returns:
            readings and labels, (text, confidence) each; by network of several.
        """
        decoded = run.post_process(outputs, ctc_label(batch.arrays))
        run.metric(decoded)
        return decoded

    def predictions(self, run: Run, files: Iterable[str]) -> Iterator[Prediction]:
        """Yield the readings of every network for each image file."""
        return predict(run, files, deployed_spec(run.plan.evaluation, self.charset.characters))

    def table(self, predictions: Sequence[Prediction]) -> str:
        """Return a row for each file with text and confidence by each network."""
        return table(predictions)

    def results_text(self, predictions: Iterable[Prediction]) -> str:
        """Return PaddleOCR's result file."""
        return results_text(predictions)
