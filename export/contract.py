"""What export asks of a task, and which contract serves which.

A task's folder holds two contracts: one of networks that a config describes, which needs paddle,
and one of model files, which does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from export.detection.contract import DetectorContract
from export.proof.outputs import Form, Outputs
from export.proof.samples import Samples, evenly_spaced, readable_images
from export.recognition.contract import RecognizerContract
from runtime.detection.spec import DetectorSpec
from runtime.engines import Engine
from runtime.engines.tensors import Profile, ShapeRange, TensorInfo
from runtime.errors import ArtifactError
from runtime.recognition.spec import RecognizerSpec
from runtime.spec import ModelSpec

if TYPE_CHECKING:
    from training.checkpoint.parameters import Parameters
    from training.plan import DeployedPlan

Images = Sequence[NDArray[np.uint8]]
Ends = Sequence[TensorInfo]


class TrainedContract(Protocol):
    """What a task says of the networks of one config that are exported."""

    def check_parameters(self, network: str, parameters: Parameters, where: str) -> None:
        """Raise ArtifactError if a checkpoint's head does not fit the config.

        Args:
            network: its name in the config.
            parameters: of it.
            where: they are from, for messages.
        """

    @property
    def probe_shapes(self) -> Sequence[tuple[int, int, int, int]]:
        """[N, C, H, W] of the inputs on which a stripped network is held against the whole."""

    def spec(self, network: str, width_px: int | None = None) -> ModelSpec:
        """Return what the exported model will say of itself; hashes and parity come later."""


class ModelContract(Protocol):
    """What a task says of a model by its spec."""

    @property
    def spec(self) -> ModelSpec:
        """Of the model."""

    @property
    def agreed_fields(self) -> Sequence[str]:
        """Fields of the spec that are the same in all forms of one network."""

    def samples(self, images: Images, samples_from: str) -> Samples:
        """Make images ready to be run, as the runtime does.

        Args:
            images: BGR uint8 [h, w, 3].
            samples_from: what they are, for reports.
        """

    def rendered(self) -> tuple[Images, str]:
        """Render images to compare on where none are given; return them and what they are."""

    def extremes(self, images: Images) -> Images:
        """Make images as large as the network takes, of others; none where it takes one size."""

    def probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network emits, probabilities or logits, as probabilities."""

    def outputs(self, scores: NDArray[np.float32], num_samples: int, where: str) -> Outputs:
        """Tell what the network's output means.

        Raises:
            ArtifactError: if it is not of this task's form, or not of so many samples.
        """

    def margins(self, expected: Outputs, got: Outputs) -> NDArray[np.float64]:
        """Tell by how much a reference preferred its decisions, where others were made.

        Args:
            expected: of the reference, with all probabilities.
            got: of another form.

        Returns:
            the largest preference of each sample, as a probability, [N]; 0.0 where all decisions
            agree.
        """

    def labelled(self, labels: Path) -> Sequence[str]:
        """Read a label file; return the paths of its images."""

    def truth(self, labels: Path, names: Sequence[str]) -> list[Any]:
        """Read a label file; return what each image shows, None where it has no label."""

    def accuracy(self, readings: Sequence[Any], truth: Sequence[Any]) -> dict[str, float]:
        """Score readings against the truth, figures by their names."""

    def engine_graph(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """Wrap a network for an engine: raw images in, decisions out."""

    def ranges(
        self,
        asked: Mapping[str, str],
        samples: Samples | None = None,
        buckets: Sequence[int] | None = None,
        fixed_batch: int | None = None,
    ) -> tuple[ShapeRange, ...]:
        """Choose the shapes of the model's input that an engine takes, one range a profile.

        Args:
            asked: `min`, `opt` and `max` as trtexec writes shapes; what is missing is chosen.
            samples: what sizes will be usual; None where nothing tells.
            buckets: limits of several profiles; chosen when empty, one profile when None.
            fixed_batch: N of a model that leaves no choice.

        Raises:
            ConfigError: naming the flag that cannot be.
        """

    def profile(self, shapes: ShapeRange) -> Profile:
        """Return what the engine graph takes, of a range of the model's input."""

    def engine_form(self, plan: Path, device_id: int = 0) -> tuple[EngineForm, ModelContract]:
        """Open a plan; return it, and the contract within the sizes that it takes.

        Raises:
            ArtifactError, EngineError: if it cannot be opened here.
        """

    def session_form(
        self, name: str, engine: Engine, is_exact: bool, dictionary: Path | None = None
    ) -> EngineForm:
        """Return an open engine on the CPU as a form that reads as the runtime does.

        Args:
            name: for reports.
            engine: of this network in one form or another.
            is_exact: whether it computes in FP32 throughout.
            dictionary: for a model that carries no characters.

        Raises:
            ArtifactError: if the network is none of the task.
        """

    def side_files(self, model_name: str) -> Mapping[str, str]:
        """Return texts of the files that other readers want beside an inference program."""

    def write_triton(self, folder: Path, name: str, model: bytes, batch_size: int | None) -> None:
        """Write a model into a Triton model repository."""


class EngineForm(Form, Protocol):
    """A form that holds a device."""

    def close(self) -> None:
        """Let go of the engine."""


class Contracts(NamedTuple):
    """A task's row.

    Args:
        spec: the kind of spec.
        model: makes a `ModelContract` of a spec.
        trained: module and class that make a `TrainedContract` of a plan.
        reversed: those that make a `ReversedContract` of a plan and a model file; None for a task
            whose networks are not taken back.
    """

    spec: type[ModelSpec]
    model: Any
    trained: tuple[str, str]
    reversed: tuple[str, str] | None = None


CONTRACTS = {
    "rec": Contracts(
        RecognizerSpec,
        RecognizerContract,
        ("export.recognition.trained", "TrainedRecognizer"),
        ("export.recognition.reversal", "ReversedRecognizer"),
    ),
    "det": Contracts(
        DetectorSpec,
        DetectorContract,
        ("export.detection.trained", "TrainedDetector"),
        ("export.detection.reversal", "ReversedDetector"),
    ),
}


def contract_of(plan: DeployedPlan) -> TrainedContract:
    """Return the contract of a config's networks."""
    module, name = CONTRACTS[plan.task.model_type].trained
    contract: TrainedContract = getattr(import_module(module), name)(plan)
    return contract


def model_contract(spec: ModelSpec) -> ModelContract:
    """Return the contract of a model that has a spec."""
    contract: ModelContract = CONTRACTS[spec.task].model(spec)
    return contract


def task_of(metadata: Collection[str], inputs: Ends, outputs: Ends) -> str:
    """Return the task of a model: as its metadata say, else as its ends are.

    Args:
        metadata: keys of its entries.
        inputs, outputs: of the network.

    Returns:
        a key of `CONTRACTS`; `rec` where nothing tells, which most models of others are.
    """
    told = [task for task, row in CONTRACTS.items() if row.spec.key in metadata]
    likely = [task for task, row in CONTRACTS.items() if row.model.takes(inputs, outputs)]
    return next(iter((*told, *likely, "rec")))


def opened(path: Path, dictionary: Path | None = None) -> tuple[ModelSpec, str]:
    """Open a model file, let it read one blank image, and tell its spec.

    Returns:
        the spec, and how the network's output differs from what this project's networks emit;
        empty where it does not.

    Raises:
        ArtifactError: if the file is damaged or no model of its task.
    """
    from runtime.engines.onnxruntime import OnnxRuntimeEngine

    engine = OnnxRuntimeEngine(path, "cpu")
    try:
        row = CONTRACTS[task_of(engine.metadata, engine.inputs, engine.outputs)]
        spec, difference = row.model.opened(engine, dictionary)
        return spec, difference
    finally:
        engine.close()


def contract_of_plan(path: Path) -> ModelContract:
    """Return the contract of a TensorRT plan, told by its sidecar.

    Raises:
        ArtifactError: if the sidecar is missing, damaged or of a task that is not known.
    """
    from runtime.engines.sidecar import EngineSidecar

    sidecar = EngineSidecar.read(path)
    if sidecar.task not in CONTRACTS:
        raise ArtifactError(
            f"{path}: unknown task: expected one of {', '.join(CONTRACTS)}, got {sidecar.task!r}; "
            "update the program"
        )
    return model_contract(CONTRACTS[sidecar.task].spec.from_entries(dict(sidecar.spec), str(path)))


def images_to_compare(
    paths: Sequence[str | Path], contract: ModelContract, most: int | None = None
) -> tuple[Images, str]:
    """Read the images to compare on, or render some when no paths are given.

    Args:
        paths: files, folders and patterns.
        contract: of the model.
        most: of them that are read, from the whole of them; all when None.

    Returns:
        the images, BGR uint8 [h, w, 3], and what they are.

    Raises:
        ParityError: if paths are given and none of them can be read.
    """
    if not paths:
        images, images_from = contract.rendered()
        return evenly_spaced(images, most), images_from
    named, _ = readable_images(paths, most)
    return list(named.values()), f"{len(named)} images"


def samples_to_compare(paths: Sequence[str | Path], contract: ModelContract) -> Samples:
    """Read, or render, the images to compare on, and make them ready."""
    return contract.samples(*images_to_compare(paths, contract))
