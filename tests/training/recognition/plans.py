"""Configs of recognition networks with two decoders, and files that shipped configs look for."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime.errors import ConfigError
from training.config import Config
from training.plan import read_plan

SHIPPED = Path(__file__).resolve().parents[3] / "configs" / "recognition"
DICTIONARIES = {
    "ppocr_keys_v1.txt": 6623,
    "ppocrv5_dict.txt": 18383,
    "ppocrv6_dict.txt": 18708,
    "ppocrv6_tiny_dict.txt": 6904,
}
"""Characters in PaddleOCR's dictionaries, to which it adds the space."""
FIRST = 0x4E00
"""Code point of the first character of a numbered dictionary."""
TEXTS = ("一丁丂", "丂 一", "丁", "丂丁一丁")
KEEP_KEYS = ["image", "label_ctc", "label_gtc", "length", "valid_ratio"]


def multi_head(**options: Any) -> dict[str, Any]:
    """A narrow head of CTC and NRTR, with options of `MultiHead`."""
    decoders = [
        {"CTCHead": {"Neck": {"name": "reshape"}, "Head": None}},
        {"NRTRHead": {"nrtr_dim": 32, "num_decoder_layers": 1}},
    ]
    return {"name": "MultiHead", "head_list": decoders, **options}


def config_of(
    networks: Mapping[str, dict[str, Any]],
    shape: Sequence[int] = (3, 48, 320),
    scales: Sequence[Sequence[int]] | None = None,
    **loader: Any,
) -> Config:
    """A config on rendered lines of digits.

    Args:
        networks: sections by name, the main one first; a single one is named ``. Where they have
            no head they have a `multi_head`.
        shape: of the images.
        scales: of a sampler of training batches.
        loader: options of both loaders.
    """
    sections = {name: {"Head": multi_head(), **section} for name, section in networks.items()}
    names = list(networks)
    resize = {"RecResizeImg": {"image_shape": list(shape)}}
    transforms: list[dict[str, Any]] = [
        {"DecodeImage": None},
        {"MultiLabelEncode": {"gtc_encode": "NRTRLabelEncode"}},
        resize,
        {"KeepKeys": {"keep_keys": KEEP_KEYS}},
    ]
    data = {
        "dataset": {"name": "SyntheticDataSet", "count": 12, "transforms": transforms},
        "loader": {"batch_size_per_card": 4, "num_workers": 0, **loader},
    }
    train = copy.deepcopy(data)
    if scales is not None:
        train["dataset"]["transforms"].remove(resize)
        train["sampler"] = {"name": "MultiScaleSampler", "scales": scales, "first_bs": 4}
    config: dict[str, Any] = {
        "Global": {"max_text_length": 6, "seed": 5, "epoch_num": 1},
        "Optimizer": {"name": "Adam", "lr": {"name": "Cosine", "learning_rate": 0.001}},
        "Architecture": sections[""] if names == [""] else {},
        "Loss": {
            "name": "MultiLoss",
            "loss_config_list": [{"CTCLoss": None}, {"NRTRLoss": None}],
        },
        "PostProcess": {"name": "CTCLabelDecode"},
        "Metric": {"name": "RecMetric", "main_indicator": "acc"},
        "Train": train,
        "Eval": data,
    }
    if names != [""]:
        models = {name: {"return_all_feats": True, **section} for name, section in sections.items()}
        config["Architecture"] = {"name": "DistillationModel", "Models": models}
        learns = {"model_name_list": names[:1], "key": "head_out", "multi_head": True}
        config["Loss"] = {
            "name": "CombinedLoss",
            "loss_config_list": [{"DistillationCTCLoss": {"weight": 1.0, **learns}}],
        }
        config["PostProcess"] = {
            "name": "DistillationCTCLabelDecode",
            "model_name": names[:1],
            "key": "head_out",
        }
        config["Metric"] = {
            "name": "DistillationMetric",
            "main_indicator": "acc",
            "key": names[0],
        }
    return Config(None, config)


def pair_of(student: dict[str, Any], teacher: dict[str, Any], **data: Any) -> Config:
    """A config of a Student and a Teacher; of both losses only the Student's by CTC."""
    return config_of({"Student": student, "Teacher": teacher}, **data)


def problems(config: Config) -> list[str]:
    """What is wrong with a config, one problem a line."""
    with pytest.raises(ConfigError) as error:
        read_plan(config)
    return str(error.value).splitlines()


def write_dictionary(file: Path, numbers: Sequence[int]) -> None:
    """Write a dictionary of numbered characters."""
    file.write_text("".join(f"{chr(FIRST + number)}\n" for number in numbers), encoding="utf-8")


def write_train_data(folder: Path) -> None:
    """Write `train_data` as the shipped configs expect it: four lines, and every dictionary."""
    data = folder / "train_data"
    data.mkdir()
    for name, size in DICTIONARIES.items():
        write_dictionary(data / name, range(size))
    lines = []
    for number, text in enumerate(TEXTS):
        image = np.full((24, 20 + 12 * len(text), 3), 220, np.uint8)
        cv2.line(image, (4, 4), (image.shape[1] - 4, 4 + 5 * number), (20, 20, 20), 2)
        cv2.imwrite(str(data / f"{number}.png"), image)
        lines.append(f"{number}.png\t{text}\n")
    for name in ("train_list.txt", "val_list.txt"):
        (data / name).write_text("".join(lines), encoding="utf-8")
