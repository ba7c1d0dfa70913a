"""A small distillation model of text detection with random weights, and what was exported of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from export.detection.contract import DetectorContract
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from training.config import Config, load_config

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
        "thresh": 0.5,
        "box_thresh": 0.5,
        "unclip_ratio": 1.4,
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
                        "mean": [0.5, 0.4, 0.3],
                        "std": [0.2, 0.25, 0.3],
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


def write_checkpoint(folder: Path, config: Config) -> Path:
    """Random weights, and statistics of pages, so that maps are graded."""
    import paddle

    from training.checkpoint.parameters import arrays_of, write_parameters
    from training.networks import build_model

    paddle.seed(7)
    model = build_model(config.sections["Architecture"], 0)
    model.train()
    spec = DetectorSpec(sizes=SizePolicy(160, "max"))
    contract = DetectorContract(spec)
    batches = list(contract.samples(*contract.rendered()).batches())
    networks = getattr(model, "networks", {"": model})
    with paddle.no_grad():
        for network in networks.values():
            for batch in batches * 6:
                network.deployed(paddle.to_tensor(batch.inputs))
    path = folder / "best_accuracy.pdparams"
    write_parameters(path, arrays_of(model))
    return path


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
