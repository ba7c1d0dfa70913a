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
from tests.training.detection.pages import page
from training.config import Config, load_config

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
SIZES = SizePolicy(160, "max")
OPTIONS = BoxOptions(thresh=0.3, box_thresh=0.3, unclip_ratio=1.4)
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


def drawn_pages() -> list[NDArray[np.uint8]]:
    """Six grey pages with five bright texts each, of three sizes."""
    sizes = ((240, 320), (320, 240), (240, 320), (300, 300), (320, 240), (240, 320))
    return [page(*size, seed=seed).image for seed, size in enumerate(sizes)]


def write_checkpoint(folder: Path, config: Config, steps: int = 50) -> Path:
    """Weights after some steps of marking what is bright, so that there are boxes around texts."""
    import paddle

    from training.checkpoint.parameters import arrays_of, write_parameters
    from training.networks import build_model

    paddle.seed(7)
    model = build_model(config.sections["Architecture"], 0)
    contract = DetectorContract(DetectorSpec(sizes=SIZES, mean=MEAN, std=STD))
    batches = list(contract.samples(drawn_pages(), "").batches())
    model.train()
    optimizer = paddle.optimizer.Adam(0.02, parameters=model.parameters())
    network = getattr(model, "networks", {"Student": model})["Student"]
    for step in range(steps):
        batch = batches[step % len(batches)]
        maps = network.deployed(paddle.to_tensor(batch.inputs))
        loss = paddle.nn.functional.binary_cross_entropy(maps, paddle.to_tensor(_bright(batch)))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
    with paddle.no_grad():  # statistics settle
        for batch in batches * 3:
            network.deployed(paddle.to_tensor(batch.inputs))
    path = folder / "best_accuracy.pdparams"
    write_parameters(path, arrays_of(model))
    return path


def _bright(batch: PageBatch) -> NDArray[np.float32]:
    """Return 1.0 inside texts, float32 [N, 1, H, W]."""
    return np.stack([page.max(axis=2) > 150 for page in batch.pages])[:, np.newaxis].astype("f")


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of the drawn pages."""
    folder = tmp_path_factory.mktemp("pages")
    paths = [str(folder / f"{number}.png") for number in range(6)]
    for path, image in zip(paths, drawn_pages(), strict=True):
        cv2.imwrite(path, image)
    return paths


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
    det_config: Config,
    det_checkpoint: Path,
    pages: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, Any]]:
    """Folder and result of a whole export of the Student; tests leave the files as they are."""
    from export.chain import ExportOptions, Source, export_network

    folder = tmp_path_factory.mktemp("det_exported")
    source = Source(det_config, det_checkpoint, "Student")
    return folder, export_network(source, folder, ExportOptions(pages, triton=folder / "triton"))
