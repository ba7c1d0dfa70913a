"""Configs of recognition networks with two decoders, as short as a test of a plan wants them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from runtime.errors import ConfigError
from training.config import Config
from training.plan import read_plan

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
