"""Parameter names and shapes are PaddleOCR's, for the configs that this project ships."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from training.config import load_config
from training.networks import DistillationModel, build_model

ROOT = Path(__file__).resolve().parents[2]
NUM_CLASSES = 97


@pytest.mark.parametrize("name", ["ch_PP-OCRv2_rec", "ch_PP-OCRv2_rec_distillation"])
def test_every_name_and_shape_is_paddleocr_s(name: str) -> None:
    architecture = load_config(ROOT / "configs" / f"{name}.yml").sections["Architecture"]
    before = copy.deepcopy(architecture)
    model = build_model(architecture, NUM_CLASSES)
    assert architecture == before
    keys = (ROOT / "tests" / "golden" / "keys" / f"{name}.keys.json").read_text()
    wanted = {key: tuple(shape) for key, shape in json.loads(keys).items()}
    assert {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()} == wanted


def test_networks_of_the_distillation_config_are_named_as_in_it() -> None:
    path = ROOT / "configs" / "ch_PP-OCRv2_rec_distillation.yml"
    model = build_model(load_config(path).sections["Architecture"], 5)
    assert isinstance(model, DistillationModel)
    assert list(model.networks) == ["Teacher", "Student"]


def test_the_centre_loss_config_returns_features() -> None:
    path = ROOT / "configs" / "ch_PP-OCRv2_rec_enhanced_ctc_loss.yml"
    model = build_model(load_config(path).sections["Architecture"], NUM_CLASSES)
    assert model.head.return_feats
    keys = (ROOT / "tests" / "golden" / "keys" / "ch_PP-OCRv2_rec.keys.json").read_text()
    assert list(model.state_dict()) == list(json.loads(keys))
