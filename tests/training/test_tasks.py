"""A second task needs a class of its own and a row in the table, and nothing beside them changes.

The task here tells how bright an image is: one head, one loss, one metric, on PaddleOCR's label
files with a number for a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import paddle
import pytest
import yaml
from paddle import nn

from runtime.errors import ConfigError
from runtime.images.read import read_image
from training.check_config import main as check_config
from training.config import GlobalConfig, load_config
from training.data.build import DataPlan
from training.data.dataset import SampleDataset
from training.data.sample import Draw, Sample, SampleSource, Transform
from training.distillation.losses import SHARED_LOSSES, LossOfEach
from training.evaluate import evaluate_checkpoint
from training.loop.parallel import Group
from training.network import Network
from training.plan import Plan
from training.registry import Problems, Registry
from training.run import Run
from training.task import Batch, Report, stacked
from training.tasks import TASKS
from training.train import train

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

    def plan(self, epoch: int, num_processes: int = 1) -> list[list[int]]:
        indices, size = self.dataset.indices(epoch), self.plan_.loader.batch_size_per_card
        return [indices[start : start + size] for start in range(0, len(indices), size)]

    def training_batch(self, samples: Sequence[Sample], group: Group) -> Batch:
        arrays = stacked(samples, ("image", "brightness"))
        return Batch(tuple(sample.name for sample in samples), arrays)

    def evaluation_batches(self, samples: Iterable[Sample]) -> Iterator[Batch]:
        for sample in samples:
            yield self.training_batch([sample], Group())


@dataclass(frozen=True)
class BrightnessTask:
    """The task."""

    model_type: ClassVar[str] = "brightness"
    network: ClassVar[type[Network]] = BrightnessNetwork
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
    num_classes: int = 0
    injected: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, settings: GlobalConfig, problems: Problems) -> BrightnessTask:
        return cls()

    @staticmethod
    def problems_of_network(section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        return ()

    @staticmethod
    def problems_of_transforms(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterable[str]:
        return () if any(name == "Decode" for name, _ in entries) else ("expected Decode",)

    def problems_of_plan(self, plan: Plan) -> Iterable[tuple[str, str]]:
        return ()

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


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config of the task, with eight images of one level each."""
    monkeypatch.setitem(TASKS, "brightness", BrightnessTask)
    rows = []
    for number in range(8):
        level = 30 * number + 20
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 40, 3), level, np.uint8))
        rows.append(f"{number}.png\t{level / 255}\n")
    (tmp_path / "labels.txt").write_text("".join(rows))
    data = {
        "dataset": {
            "name": "SimpleDataSet",
            "data_dir": str(tmp_path),
            "label_file_list": [str(tmp_path / "labels.txt")],
            "transforms": [{"Decode": None}],
        },
        "loader": {"batch_size_per_card": 4},
    }
    sections = {
        "Global": {"epoch_num": 3, "save_model_dir": str(tmp_path / "out")},
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
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(sections, sort_keys=False))
    return path


def test_it_is_checked_trained_saved_resumed_and_evaluated(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_config(["-c", str(config)]) == 0
    assert "nothing wrong found" in capsys.readouterr().out
    figures = train(load_config(config))
    assert set(figures["last"]) == {"closeness"} and figures["lines"] == 8
    folder = config.parent / "out"
    assert (folder / "latest.pdparams").is_file() and (folder / "best_accuracy.pdopt").is_file()
    more = ["Global.epoch_num=4", f"Global.checkpoints={folder / 'latest'}"]
    assert train(load_config(config, more))["lines"] == 8
    result = evaluate_checkpoint(load_config(config, [f"Global.checkpoints={folder / 'latest'}"]))
    assert result["networks"]["network"]["closeness"] <= 1 and result["lines"] == 8


def test_its_mistakes_are_named_like_any_task_s(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yml:\d+: Loss\.name: unknown loss 'CTCLoss'"):
        train(load_config(config, ["Loss.name=CTCLoss"]))
    with pytest.raises(ConfigError, match="expected Decode"):
        train(load_config(config, ["Train.dataset.transforms=[]"]))


def test_several_of_its_networks_teach_each_other(config: Path) -> None:
    network = {
        "return_all_feats": True,
        "Backbone": {"name": "MobileNetV1Enhance", "scale": 0.125},
        "Head": {"name": "MeanHead"},
    }
    from training import build_loss, build_model

    model = build_model(
        {"model_type": "brightness", "Models": {"Teacher": network, "Student": network}}
    )
    pair = ["Student", "Teacher"]
    loss = build_loss(
        {
            "name": "CombinedLoss",
            "loss_config_list": [
                {
                    "DistillationSquareLoss": {
                        "weight": 1,
                        "model_name_list": pair,
                        "key": "head_out",
                    }
                },
                {
                    "DistillationDistanceLoss": {
                        **{"weight": 1, "model_name_pairs": pair, "key": "backbone_out"},
                    }
                },
            ],
        }
    )
    batch = {
        "image": paddle.randn([2, 3, SIDE_PX, SIDE_PX]),
        "brightness": paddle.to_tensor([0.2, 0.7]),
    }
    model.train()
    losses = loss(model(batch["image"], batch), batch)
    assert list(losses) == [
        *("loss_square_Student_0", "loss_square_Teacher_1"),
        *("loss_distance_l2_Student_Teacher_0", "loss"),
    ]
    losses["loss"].backward()
    assert model.networks["Student"].head.fc.weight.grad is not None
