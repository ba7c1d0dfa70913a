"""A small distillation model of text detection with random weights, and what was exported of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from export.detection.contract import DetectorContract
from export.detection.samples import PageBatch
from runtime.detection.boxes import BoxOptions
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from training.config import Config, load_config

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
OPTIONS = BoxOptions(thresh=0.4, box_thresh=0.45, unclip_ratio=1.4)
STUDENT = {
    "model_type": "det",
    "algorithm": "DB",
    "Backbone": {"name": "PPLCNetV3", "scale": 0.1, "det": True, "conv_kxk_num": 1},
    "Neck": {"name": "RSEFPN", "out_channels": 16, "shortcut": True},
    "Head": {"name": "DBHead", "k": 50},
}
TEACHER = {
    "model_type": "det",
    "algorithm": "DB",
    "freeze_params": True,
    "Backbone": {"name": "MobileNetV3", "scale": 0.35, "model_name": "small", "disable_se": True},
    "Neck": {"name": "DBFPN", "out_channels": 16},
    "Head": {"name": "DBHead"},
}
SECTIONS: dict[str, Any] = {
    "Global": {},
    "Architecture": {
        "model_type": "det",
        "name": "DistillationModel",
        "algorithm": "Distillation",
        "Models": {"Student": STUDENT, "Teacher": TEACHER},
    },
    "PostProcess": {
        "name": "DistillationDBPostProcess",
        "model_name": ["Student"],
        "key": "head_out",
        "thresh": OPTIONS.thresh,
        "box_thresh": OPTIONS.box_thresh,
        "unclip_ratio": OPTIONS.unclip_ratio,
    },
    "Eval": {
        "dataset": {
            "name": "SimpleDataSet",
            "data_dir": "./train_data",
            "label_file_list": ["./train_data/val.txt"],
            "transforms": [
                {"DecodeImage": {"img_mode": "BGR", "channel_first": False}},
                {"DetLabelEncode": None},
                {"DetResizeForTest": {"limit_side_len": 160, "limit_type": "max"}},
                {
                    "NormalizeImage": {
                        "scale": "1./255.",
                        "mean": [*MEAN],
                        "std": [*STD],
                        "order": "hwc",
                    }
                },
                {"ToCHWImage": None},
                {"KeepKeys": {"keep_keys": ["image", "shape", "polys", "ignore_tags"]}},
            ],
        },
        "loader": {"batch_size_per_card": 1},
    },
}


def write_config(folder: Path, sections: dict[str, Any] = SECTIONS) -> Config:
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(sections, sort_keys=False))
    return load_config(path)


def write_checkpoint(folder: Path, config: Config, steps: int = 30) -> Path:
    """Weights after some steps of marking what is dark, so that there are boxes around words."""
    import paddle

    from training.checkpoint.parameters import arrays_of, write_parameters
    from training.networks import build_model

    paddle.seed(7)
    model = build_model(config.sections["Architecture"], 0)
    spec = DetectorSpec(sizes=SizePolicy(160, "max"), mean=MEAN, std=STD)
    contract = DetectorContract(spec)
    batches = list(contract.samples(*contract.rendered()).batches())
    model.train()
    optimizer = paddle.optimizer.Adam(0.01, parameters=model.parameters())
    network = getattr(model, "networks", {"Student": model})["Student"]
    for step in range(steps):
        batch = batches[step % len(batches)]
        maps = network.deployed(paddle.to_tensor(batch.inputs))
        loss = paddle.nn.functional.binary_cross_entropy(maps, paddle.to_tensor(_dark(batch)))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
    path = folder / "best_accuracy.pdparams"
    write_parameters(path, arrays_of(model))
    return path


def _dark(batch: PageBatch) -> NDArray[np.float32]:
    """Return 1.0 where a page is dark or nearly so, float32 [N, 1, H, W]."""
    grown = [
        cv2.dilate((page.min(axis=2) < 140).astype(np.float32), np.ones((3, 5)))
        for page in batch.pages
    ]
    return np.stack(grown)[:, np.newaxis]


@pytest.fixture(scope="session")
def det_config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Two networks, the Student with branches to merge."""
    return write_config(tmp_path_factory.mktemp("det_config"))


@pytest.fixture(scope="session")
def det_checkpoint(det_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of both."""
    return write_checkpoint(tmp_path_factory.mktemp("det_checkpoint"), det_config)


@pytest.fixture(scope="session")
def det_exported(
    det_config: Config, det_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Folder and result of a whole export of the Student; tests leave the files as they are."""
    from export.chain import ExportOptions, Source, export_network

    folder = tmp_path_factory.mktemp("det_exported")
    source = Source(det_config, det_checkpoint, "Student")
    return folder, export_network(source, folder, ExportOptions(triton=folder / "triton"))
