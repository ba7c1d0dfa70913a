"""A training run small enough for a test, files from outside, and what a run says of skips."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.beside import REAL_LINES, paddleocr_numbers
from tests.skips import deselected_lines, skipped_lines

CHARACTERS = "abcdefghijkl"

_NETWORK: dict[str, Any] = {
    "return_all_feats": True,
    "Backbone": {"name": "MobileNetV1Enhance", "scale": 0.125},
    "Neck": {"name": "SequenceEncoder", "encoder_type": "rnn", "hidden_size": 8},
    "Head": {"name": "CTCHead", "mid_channels": 8, "fc_decay": 0.00002},
}
_TRANSFORMS: list[dict[str, Any]] = [
    {"DecodeImage": {"img_mode": "BGR", "channel_first": False}},
    {"CTCLabelEncode": None},
    {"RecResizeImg": {"image_shape": [3, 32, 96]}},
    {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
]
_NAMES = ["Student", "Teacher"]
_SECTIONS: dict[str, Any] = {
    "Global": {
        "epoch_num": 2,
        "max_text_length": 6,
        "print_batch_step": 1,
        "eval_batch_step": [0, 1000],
        "save_epoch_step": 1,
        "cal_metric_during_train": False,
        "seed": 5,
    },
    "Optimizer": {
        "name": "Adam",
        "lr": {"name": "Cosine", "learning_rate": 0.002, "warmup_epoch": 0.5},
        "regularizer": {"name": "L2", "factor": 2.0e-05},
    },
    "Architecture": {
        "model_type": "rec",
        "name": "DistillationModel",
        "algorithm": "Distillation",
        "Models": {"Teacher": _NETWORK, "Student": _NETWORK},
    },
    "Loss": {
        "name": "CombinedLoss",
        "loss_config_list": [
            {"DistillationCTCLoss": {"weight": 1.0, "model_name_list": _NAMES, "key": "head_out"}},
            {
                "DistillationDMLLoss": {
                    "weight": 1.0,
                    "act": "softmax",
                    "use_log": True,
                    "model_name_pairs": [_NAMES],
                    "key": "head_out",
                }
            },
        ],
    },
    "PostProcess": {
        "name": "DistillationCTCLabelDecode",
        "model_name": _NAMES,
        "key": "head_out",
    },
    "Metric": {"name": "DistillationMetric", "main_indicator": "acc", "key": "Student"},
    "Train": {
        "dataset": {
            "name": "SyntheticDataSet",
            "count": 16,
            "difficulty": 0.3,
            "transforms": _TRANSFORMS,
        },
        "loader": {
            "shuffle": True,
            "batch_size_per_card": 4,
            "drop_last": True,
            "num_workers": 0,
        },
    },
    "Eval": {
        "dataset": {
            "name": "SyntheticDataSet",
            "count": 6,
            "difficulty": 0.3,
            "transforms": _TRANSFORMS,
        },
        "loader": {"batch_size_per_card": 4, "num_workers": 0},
    },
}

WriteConfig = Callable[..., Path]


@pytest.fixture
def write_config(tmp_path: Path) -> WriteConfig:
    """Writes the config of a tiny run into a folder of its own and gives its path.

    `write(name, {"Global.epoch_num": 3})` changes values by dotted path; the run's output goes to
    `tmp_path/<name>`.
    """

    def write(name: str = "run", changes: dict[str, Any] | None = None) -> Path:
        dictionary = tmp_path / "characters.txt"
        dictionary.write_text(
            "".join(f"{character}\n" for character in CHARACTERS), encoding="utf-8"
        )
        sections = copy.deepcopy(_SECTIONS)
        # A copy of each, so that a change of one network leaves the other as it is.
        models = sections["Architecture"]["Models"]
        for network in models:
            models[network] = copy.deepcopy(_NETWORK)
        for part in ("Train", "Eval"):
            sections[part]["dataset"]["transforms"] = copy.deepcopy(_TRANSFORMS)
        sections["Global"]["character_dict_path"] = str(dictionary)
        sections["Global"]["save_model_dir"] = str(tmp_path / name)
        for path, value in (changes or {}).items():
            *parents, last = path.split(".")
            place: Any = sections
            for part in parents:
                place = place[int(part)] if isinstance(place, list) else place[part]
            place[int(last) if isinstance(place, list) else last] = value
        file = tmp_path / f"{name}.yml"
        file.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
        return file

    return write


@pytest.fixture
def single_network() -> dict[str, Any]:
    """Changes that make the tiny run one of a single network."""
    network = {key: value for key, value in _NETWORK.items() if key != "return_all_feats"}
    return {
        "Architecture": {"model_type": "rec", "algorithm": "CRNN", **copy.deepcopy(network)},
        "Loss": {"name": "CombinedLoss", "loss_config_list": [{"CTCLoss": {"weight": 1.0}}]},
        "PostProcess": {"name": "CTCLabelDecode"},
        "Metric": {"name": "RecMetric", "main_indicator": "acc"},
    }


@pytest.fixture(scope="session")
def real_lines() -> Path:
    """Folder with packs of real line images, to be named by DISTILREC_DATA; else skipped."""
    if not REAL_LINES.is_dir():
        pytest.skip(f"no real line images at {REAL_LINES}; name their folder in DISTILREC_DATA")
    return REAL_LINES


@pytest.fixture(scope="session")
def golden_weights() -> Path:
    """Return PaddleOCR's own checkpoint of the small config, in a folder beside; else skip."""
    return paddleocr_numbers("rec_v2_small", "weights.pdparams")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end what was not run and how it would be."""
    skipped = list(skipped_lines(terminalreporter.stats.get("skipped", ())))
    left_out = list(deselected_lines(terminalreporter.stats.get("deselected", ())))
    if skipped or left_out:
        terminalreporter.section("not run, and what would run it")
        for line in (*skipped, *left_out):
            terminalreporter.write_line(line)
