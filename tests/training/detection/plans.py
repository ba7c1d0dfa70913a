"""Configs of narrow detectors, and pages with label files for them and for shipped configs."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from runtime.errors import ConfigError
from training.config import Config, load_config
from training.plan import read_plan

SHIPPED = Path(__file__).resolve().parents[3] / "configs" / "detection"
HEIGHT, WIDTH = 96, 128
CROP = 64
BACKBONE = {
    "name": "PPLCNetV4",
    "det": True,
    "net_config": {
        "stem": [4, 8],
        "blocks_s1": [[3, 8, 8, 1, True]],
        "blocks_s2": [[3, 8, 12, 2, False]],
        "blocks_s3": [[5, 12, 16, 2, False]],
        "blocks_s4": [[3, 16, 24, 2, False]],
    },
}
WITH_AUXILIARY = {
    "Backbone": BACKBONE,
    "Neck": {"name": "RepLKFPN", "out_channels": 16, "dilated_kernel_size": 5},
    "Head": {"name": "DBHead", "aux_in_channels": 16},
}
PLAIN = {
    "Backbone": BACKBONE,
    "Neck": {"name": "RSEFPN", "out_channels": 16},
    "Head": {"name": "DBHead"},
}
OF_TWO_MAPS = {**PLAIN, "Head": {"name": "PFHeadLocal", "mode": "small"}}
EACH = {"DistillationDBLoss": {"weight": 1.0, "model_name_list": ["Student", "Student2"]}}
DILATED = {
    "DistillationDilaDBLoss": {
        "weight": 1.0,
        "model_name_pairs": [["Student", "Teacher"], ["Student2", "Teacher"]],
        "key": "maps",
    }
}
MUTUAL = {
    "DistillationDMLLoss": {
        "weight": 1.0,
        "model_name_pairs": ["Student", "Student2"],
        "maps_name": "thrink_maps",
        "key": "maps",
    }
}
NORMAL: list[dict[str, Any]] = [
    {"NormalizeImage": {"scale": "1./255.", "order": "hwc"}},
    {"ToCHWImage": None},
]
TRAINING = ["image", "threshold_map", "threshold_mask", "shrink_map", "shrink_mask"]
EVALUATION = ["image", "shape", "polys", "ignore_tags"]


def page(number: int, num_texts: int = 3) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """A page of dark bars, BGR uint8 [HEIGHT, WIDTH, 3], and its label."""
    rng = np.random.default_rng(number)
    image = rng.integers(200, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    texts = []
    for line in range(num_texts):
        left, top = int(rng.integers(4, 40)), 8 + 30 * line
        right, bottom = left + int(rng.integers(50, 80)), top + 16
        cv2.rectangle(image, (left, top), (right, bottom), (20, 30, 40), -1)
        corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
        texts.append({"transcription": f"bar {line}", "points": corners})
    return image, texts


def write_pages(folder: Path, count: int = 6) -> Path:
    """Write `train_data` as the shipped configs expect it; return the folder."""
    data = folder / "train_data"
    data.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        image, texts = page(number)
        cv2.imwrite(str(data / f"{number}.png"), image)
        rows.append(f"{number}.png\t{json.dumps(texts)}\n")
    for name in ("train_list.txt", "val_list.txt"):
        (data / name).write_text("".join(rows), encoding="utf-8")
    return data


def config_of(
    networks: Mapping[str, Mapping[str, Any]],
    folder: Path = Path("."),
    losses: Sequence[Mapping[str, Any]] = (),
) -> Config:
    """A config on the pages in `folder / train_data`.

    Args:
        networks: sections by name, the main one first; a single one is named ``.
        folder: of the run; its checkpoints go to `out`.
        losses: of several networks.
    """
    data = str(folder / "train_data")

    def part(name: str, transforms: list[dict[str, Any]], **loader: Any) -> dict[str, Any]:
        return {
            "dataset": {
                "name": "SimpleDataSet",
                "data_dir": data,
                "label_file_list": [f"{data}/{name}"],
                "transforms": copy.deepcopy(transforms),
            },
            "loader": {"num_workers": 0, **loader},
        }

    begin: list[dict[str, Any]] = [{"DecodeImage": None}, {"DetLabelEncode": None}]
    crop = {"EastRandomCropData": {"size": [CROP, CROP], "keep_ratio": True}}
    maps = [{"MakeBorderMap": None}, {"MakeShrinkMap": {"min_text_size": 4}}]
    train = [*begin, {"CopyPaste": None}, crop, *maps, *NORMAL]
    test = [*begin, {"DetResizeForTest": {"image_shape": [HEIGHT, WIDTH]}}, *NORMAL]
    train.append({"KeepKeys": {"keep_keys": TRAINING}})
    test.append({"KeepKeys": {"keep_keys": EVALUATION}})
    sections: dict[str, Any] = {
        "Global": {
            "seed": 5,
            "epoch_num": 2,
            "save_model_dir": str(folder / "out"),
            "eval_batch_step": [0, 2],
            "print_batch_step": 1,
            "log_smooth_window": 1,
        },
        "Optimizer": {"name": "Adam", "lr": {"name": "Const", "learning_rate": 0.01}},
        "Architecture": {"model_type": "det", **copy.deepcopy(networks.get("", {}))},
        "Loss": {"name": "DBLoss"},
        "PostProcess": {"name": "DBPostProcess", "box_thresh": 0.5},
        "Metric": {"name": "DetMetric", "main_indicator": "hmean"},
        "Train": part("train_list.txt", train, batch_size_per_card=2, shuffle=True),
        "Eval": part("val_list.txt", test, batch_size_per_card=2),
    }
    if "" not in networks:
        sections["Architecture"] |= {
            "name": "DistillationModel",
            "Models": copy.deepcopy(dict(networks)),
        }
        sections["Loss"] = {"name": "CombinedLoss", "loss_config_list": copy.deepcopy([*losses])}
        trained = [name for name in networks if name != "Teacher"]
        sections["PostProcess"] |= {"name": "DistillationDBPostProcess", "model_name": trained}
        sections["Metric"] |= {
            "name": "DistillationMetric",
            "base_metric_name": "DetMetric",
            "key": "Student",
        }
    return Config(None, sections)


def collaborative(folder: Path = Path(".")) -> Config:
    """A config of two Students and a frozen Teacher, whose weights are in `teacher.pdparams`."""
    teacher = {
        **PLAIN,
        "freeze_params": True,
        "pretrained": str(folder / "teacher"),
    }
    networks = {"Student": WITH_AUXILIARY, "Student2": PLAIN, "Teacher": teacher}
    return config_of(networks, folder, [EACH, DILATED, MUTUAL])


def written(config: Config, folder: Path, name: str = "config.yml") -> Path:
    """Write a config as a file; return its path."""
    file = folder / name
    file.write_text(yaml.safe_dump(config.sections, sort_keys=False), encoding="utf-8")
    return file


def reread(config: Config, folder: Path, *overrides: str) -> Config:
    """Write a config and read it with overrides, so that it has lines."""
    return load_config(written(config, folder), overrides)


def problems(config: Config) -> list[str]:
    """What is wrong with a config, one problem a line."""
    with pytest.raises(ConfigError) as error:
        read_plan(config)
    return str(error.value).splitlines()
