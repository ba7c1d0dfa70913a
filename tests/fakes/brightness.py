"""A second task, which tells how bright an image is, through every wing of the project.

One head, one loss, one metric, on PaddleOCR's label files with a number for a label; a spec, a
contract with export, and a session that reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import onnx
import paddle
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from paddle import nn

from export.conversion.graph import describe
from export.proof.outputs import Outputs
from runtime.engines import Engine, open_engine
from runtime.engines.tensors import ShapeRange
from runtime.errors import ArtifactError
from runtime.fields import whole
from runtime.images.read import read_image
from runtime.spec import MODEL_FIELDS, ModelSpec
from training.backbones.mobilenet_v1_enhance import MobileNetV1Enhance
from training.config import GlobalConfig
from training.data.build import DataPlan
from training.data.dataset import SampleDataset
from training.data.planned import PlannedBatch, Size
from training.data.sample import Draw, Sample, SampleSource, Transform
from training.distillation.losses import SHARED_LOSSES, LossOfEach
from training.loop.parallel import Group
from training.network import Network
from training.networks import NetworkPlan
from training.plan import Plan
from training.registry import Component, Problems, Registry
from training.run import Run
from training.task import Batch, Report, StartingWeights, stacked

SIDE_PX = 32


class BrightnessNetwork(Network):
    """What is deployed of it is the head's number."""

    def deployed(self, images: paddle.Tensor) -> paddle.Tensor:
        return self.stages(images)["head_out"]


class MeanHead(nn.Layer):
    """A linear layer on the mean of the features."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, 1)

    def forward(self, features: paddle.Tensor, batch: Any = None) -> paddle.Tensor:
        return self.fc(features.mean(axis=[2, 3]))[:, 0]


class SquareLoss(nn.Layer):
    """The squared distance from the label."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, prediction: paddle.Tensor, batch: Mapping[str, Any]) -> paddle.Tensor:
        return ((prediction - batch["brightness"]) ** 2).mean()


class DistillationSquareLoss(LossOfEach):
    """`SquareLoss` of each listed network."""

    def __init__(self, model_name_list: Sequence[str], key: str | None = None) -> None:
        super().__init__(SquareLoss(), model_name_list, key, "loss_square")


class Decode:
    """Encoded bytes -> an image of one size, and the label as a number."""

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        sample.image = cv2.resize(read_image(sample.image), (SIDE_PX, SIDE_PX))
        image = sample.image.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
        sample.values = {"image": image, "brightness": np.float32(sample.text)}
        return sample


class Mean:
    """Post-processing that leaves what the network says."""

    def __call__(self, prediction: Any, labels: Any = None) -> Any:
        return np.asarray(prediction), labels


class MeanError:
    """One minus the mean distance."""

    main_indicator = "closeness"

    def __init__(self) -> None:
        self.distances: list[float] = []

    def __call__(self, decoded: Any, batch: Any = None) -> None:
        self.distances += np.abs(decoded[0] - decoded[1]).tolist()

    def get_metric(self) -> dict[str, float]:
        return {"closeness": 1 - float(np.mean(self.distances))}

    def by_network(self, figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
        return {"network": dict(figures)}

    def reset(self) -> None:
        self.distances = []


@dataclass
class AllKept:
    """A report that keeps everything."""

    kept: Sequence[int]
    sha256: str = "all"
    dropped: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        return [f"{len(self.kept)} images"]

    def refuse_unreadable(self, share: float) -> None:
        """Nothing was looked at."""

    def as_json(self) -> dict[str, Any]:
        return {"dropped": self.dropped}


@dataclass
class InOrder:
    """Batches in the order of the file."""

    plan_: DataPlan
    dataset: SampleDataset

    def fitted_to(self, network: Network) -> InOrder:
        return self

    def plan(self, epoch: int, num_processes: int = 1) -> list[PlannedBatch]:
        indices, size = self.dataset.indices(epoch), self.plan_.loader.batch_size_per_card
        starts = range(0, len(indices), size)
        return [PlannedBatch(tuple(indices[start : start + size])) for start in starts]

    def training_batch(
        self, samples: Sequence[Sample], group: Group, size: Size | None = None
    ) -> Batch:
        arrays = stacked(samples, ("image", "brightness"))
        return Batch(tuple(sample.name for sample in samples), arrays)

    def evaluation_batches(self, samples: Iterable[Sample]) -> Iterator[Batch]:
        for sample in samples:
            yield self.training_batch([sample], Group())


@dataclass(frozen=True)
class BrightnessTask:
    """The task."""

    model_type: ClassVar[str] = "brightness"
    network_keys: ClassVar[frozenset[str]] = frozenset()
    network: ClassVar[type[Network]] = BrightnessNetwork
    backbones: ClassVar[Registry] = Registry(
        "backbone", {"MobileNetV1Enhance": MobileNetV1Enhance}, frozenset({"in_channels"})
    )
    necks: ClassVar[Registry] = Registry("neck", {})
    heads: ClassVar[Registry] = Registry(
        "head", {"MeanHead": MeanHead}, frozenset({"in_channels", "out_channels"})
    )
    losses: ClassVar[Registry] = Registry(
        "loss",
        {
            "SquareLoss": SquareLoss,
            "DistillationSquareLoss": DistillationSquareLoss,
            **SHARED_LOSSES,
        },
    )
    transforms: ClassVar[Registry] = Registry("transform", {"Decode": Decode})
    post_processes: ClassVar[Registry] = Registry("post-process", {"Mean": Mean})
    metrics: ClassVar[Registry] = Registry("metric", {"MeanError": MeanError})
    injected: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, settings: GlobalConfig, problems: Problems) -> BrightnessTask:
        return cls()

    @staticmethod
    def problems_of_network(section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        return ()

    @staticmethod
    def problems_of_transforms(
        entries: Sequence[tuple[str, Mapping[str, Any]]], is_sized: bool
    ) -> Iterable[str]:
        return () if any(name == "Decode" for name, _ in entries) else ("expected Decode",)

    @staticmethod
    def head_outputs(head: Component) -> tuple[str, ...]:
        return ()

    def problems_of_plan(self, plan: Plan) -> Iterable[tuple[str, str]]:
        return ()

    def supplied_to(self, plan: DataPlan) -> Mapping[str, Any]:
        return {}

    def num_classes_of(self, network: NetworkPlan) -> int:
        return 0

    @staticmethod
    def suited_to(num_samples: int) -> None:
        """Know no rule."""

    @staticmethod
    def page(run: Run) -> None:
        """Have no page."""

    def started(
        self, network: NetworkPlan, own: Mapping[str, Any], weights: StartingWeights
    ) -> tuple[dict[str, Any], None]:
        """Take weights as they are."""
        return dict(weights.parameters), None

    def remembered(self, plan: Plan) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    def fit(self, networks: Mapping[str, Network], plan: Plan) -> None:
        pass

    def transforms_of(self, plan: DataPlan) -> list[Transform]:
        return [transform.build() for transform in plan.transforms]

    def report_on(
        self, plan: DataPlan, source: SampleSource, transforms: Sequence[Transform]
    ) -> AllKept:
        return AllKept(range(len(source)))

    def batching(self, plan: DataPlan, dataset: SampleDataset, report: Report) -> InOrder:
        return InOrder(plan, dataset)

    def score(self, run: Run, outputs: Any, batch: Batch) -> None:
        run.metric(run.post_process(outputs, batch.arrays["brightness"]))

    def predictions(self, run: Run, files: Iterable[str]) -> Iterator[Any]:
        return iter(())

    def table(self, predictions: Sequence[Any]) -> str:
        return ""

    def results_text(self, predictions: Iterable[Any]) -> str:
        return ""


@dataclass(frozen=True)
class BrightnessSpec(ModelSpec):
    """What a model of the task says of itself."""

    task: ClassVar[str] = "brightness"
    title: ClassVar[str] = "light meter"
    key: ClassVar[str] = "brightness_spec"
    dimensions: ClassVar[tuple[str, str]] = ("NCHW", "N")
    fields: ClassVar = {"side_px": whole(1, 1024), **MODEL_FIELDS}

    side_px: int = SIDE_PX

    @property
    def input_sizes(self) -> tuple[int | None, ...]:
        return 3, self.side_px, self.side_px


class TrainedBrightness:
    """A `TrainedContract`."""

    probe_shapes = ((1, 3, SIDE_PX, SIDE_PX), (3, 3, SIDE_PX, SIDE_PX))

    def __init__(self, plan: Any) -> None:
        assert isinstance(plan.task, BrightnessTask)

    def check_parameters(self, network: str, parameters: Mapping[str, Any], where: str) -> None:
        if parameters["head.fc.bias"].shape != (1,):
            raise ArtifactError(f"{where}: expected one number from the head")

    def spec(self, network: str, width_px: int | None = None) -> BrightnessSpec:
        return BrightnessSpec(network=network, output_name="brightness")


@dataclass(frozen=True)
class Squares:
    """Images brought to one size; one batch."""

    images: Sequence[NDArray[np.uint8]]
    samples_from: str

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8 [N, H, W, C]."""
        return np.stack([cv2.resize(image, (SIDE_PX, SIDE_PX)) for image in self.images])

    def batches(self, most: int | None = None) -> Iterator[SquareBatch]:
        size = most or len(self)
        for start in range(0, len(self), size):
            pixels = self.pixels[start : start + size]
            yield SquareBatch(tuple(range(start, start + len(pixels))), pixels)

    def subset(self, numbers: Sequence[int]) -> Squares:
        return Squares([self.images[number] for number in numbers], self.samples_from)


@dataclass(frozen=True)
class SquareBatch:
    """A `Batch`."""

    positions: tuple[int, ...]
    pixels: NDArray[np.uint8]

    @property
    def inputs(self) -> NDArray[np.float32]:
        normal = self.pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
        return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))


class BrightnessContract:
    """A `ModelContract`: a reading is a grade from 0 to 10."""

    agreed_fields = ("side_px",)
    post_processes = ("Mean",)

    def __init__(self, spec: BrightnessSpec) -> None:
        self.spec = spec

    @staticmethod
    def takes(inputs: Any, outputs: Any) -> bool:
        return False

    @staticmethod
    def opened(engine: Engine, dictionary: Path | None) -> tuple[BrightnessSpec, str]:
        return LightMeter(engine).spec, ""

    def samples(self, images: Sequence[NDArray[np.uint8]], samples_from: str) -> Squares:
        return Squares(images, samples_from)

    def rendered(self) -> tuple[list[NDArray[np.uint8]], str]:
        levels = range(0, 256, 16)
        return [np.full((40, 40, 3), level, np.uint8) for level in levels], "grey images"

    def extremes(self, images: Any) -> list[Any]:
        return []

    def probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores

    def outputs(self, scores: NDArray[np.float32], num_samples: int, where: str) -> Outputs:
        if scores.shape != (num_samples,):
            raise ArtifactError(f"{where}: no light meter: {scores.shape}")
        grades = np.clip(np.round(scores * 10), 0, 10).astype(np.int64)
        return Outputs(scores, grades, grades.tolist(), is_whole=True)

    def margins(self, expected: Outputs, got: Outputs) -> NDArray[np.float64]:
        return np.zeros(len(expected.values))

    def labelled(self, labels: Path) -> Sequence[str]:
        rows = labels.read_text().splitlines()
        return [str(labels.parent / row.split("\t")[0]) for row in rows]

    def truth(self, labels: Path, names: Sequence[str]) -> list[Any]:
        rows = dict(row.split("\t") for row in labels.read_text().splitlines())
        return [round(10 * float(rows.get(Path(name).name, "0"))) for name in names]

    def accuracy(self, readings: Sequence[int], truth: Sequence[int]) -> dict[str, float]:
        return {"share": float(np.mean(np.equal(readings, truth)))}

    def engine_graph(self, model: onnx.ModelProto) -> onnx.ModelProto:
        wrapped = onnx.ModelProto()
        wrapped.CopyFrom(model)
        spec, graph = self.spec, wrapped.graph
        nodes = [
            helper.make_node("Cast", ["pixels"], ["levels"], name="cast", to=TensorProto.FLOAT),
            helper.make_node("Div", ["levels", "half"], ["scaled"], name="scale"),
            helper.make_node("Sub", ["scaled", "one"], ["centred"], name="centre"),
            helper.make_node("Transpose", ["centred"], ["x"], name="first", perm=[0, 3, 1, 2]),
        ]
        constants = {"half": np.float32(127.5), "one": np.float32(1)}
        weights = [
            numpy_helper.from_array(np.array(value), name) for name, value in constants.items()
        ]
        sizes = ["N", spec.side_px, spec.side_px, 3]
        inputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, sizes)]
        made = helper.make_graph(
            [*nodes, *graph.node], "meter", inputs, graph.output, [*graph.initializer, *weights]
        )
        wrapped.graph.CopyFrom(made)
        describe(wrapped, spec)
        return wrapped

    def ranges(
        self,
        asked: Mapping[str, str],
        samples: Any = None,
        buckets: Sequence[int] | None = None,
        fixed_batch: int | None = None,
    ) -> tuple[ShapeRange, ...]:
        return (ShapeRange(*((batch, *self.spec.input_sizes) for batch in (1, 4, 8))),)  # type: ignore[arg-type]

    def profile(self, shapes: ShapeRange) -> dict[str, ShapeRange]:
        in_order = (shapes.min, shapes.opt, shapes.max)
        return {"pixels": ShapeRange(*((n, h, w, c) for n, c, h, w in in_order))}

    def engine_form(self, plan: Path, device_id: int = 0) -> tuple[Any, BrightnessContract]:
        return EngineForm(str(plan), self, LightMeter(open_engine(plan, device_id=device_id))), self

    def side_files(self, model_name: str) -> Mapping[str, str]:
        return {"meter.txt": f"{model_name or 'light meter'}\n"}

    def write_triton(self, folder: Path, name: str, model: bytes, batch_size: int | None) -> None:
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.onnx").write_bytes(model)


@dataclass(frozen=True)
class EngineForm:
    """A `Form` of an engine."""

    name: str
    contract: BrightnessContract
    meter: LightMeter
    is_exact: bool = False

    def read(self, batch: Any) -> Outputs:
        return self.contract.outputs(self.meter.read(batch.pixels), len(batch.pixels), self.name)

    def close(self) -> None:
        self.meter.close()


class LightMeter:
    """A session of the task: pixels go to an engine graph as they are, to a network normalised."""

    def __init__(self, engine: Engine) -> None:
        spec = BrightnessSpec.from_metadata(engine.metadata, str(engine.path))
        if spec is None:
            raise ArtifactError(f"{engine.path} is no light meter")
        self.spec, self.engine = spec, engine

    def read(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, C] -> brightness, float32 [N]."""
        (source,), (target,) = self.engine.inputs, self.engine.outputs
        read = []
        for part in self.engine.parts(len(pixels), {source.name: pixels.shape[1:]}):
            some = pixels[part.start : part.start + part.count]
            if source.dtype == "uint8":

                def fill(views: Mapping[str, Any], some: Any = some) -> None:
                    views["pixels"][: len(some)] = some

                outputs = self.engine.run_filled({"pixels": (part.batch, *some.shape[1:])}, fill)
            else:
                outputs = self.engine.run({source.name: SquareBatch((), some).inputs})
            read.append(outputs[target.name][: part.count])
        return np.concatenate(read)

    def close(self) -> None:
        self.engine.close()


def write_config(folder: Path) -> Path:
    """A config of the task, with eight images of one level each."""
    rows = []
    for number in range(8):
        level = 30 * number + 20
        cv2.imwrite(str(folder / f"{number}.png"), np.full((40, 40, 3), level, np.uint8))
        rows.append(f"{number}.png\t{level / 255}\n")
    (folder / "labels.txt").write_text("".join(rows))
    data = {
        "dataset": {
            "name": "SimpleDataSet",
            "data_dir": str(folder),
            "label_file_list": [str(folder / "labels.txt")],
            "transforms": [{"Decode": None}],
        },
        "loader": {"batch_size_per_card": 4},
    }
    sections = {
        "Global": {"epoch_num": 3, "save_model_dir": str(folder / "out")},
        "Optimizer": {"name": "Adam", "lr": {"learning_rate": 0.01}},
        "Architecture": {
            "model_type": "brightness",
            "Backbone": {"name": "MobileNetV1Enhance", "scale": 0.125},
            "Head": {"name": "MeanHead"},
        },
        "Loss": {"name": "SquareLoss"},
        "PostProcess": {"name": "Mean"},
        "Metric": {"name": "MeanError"},
        "Train": data,
        "Eval": data,
    }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(sections, sort_keys=False))
    return path
