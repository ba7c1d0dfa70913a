"""Detectors are taken back from the ONNX files that were exported of them, and train again."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from export.chain import Source, spec_of_network, stripped_network
from export.conversion.convert import convert
from export.conversion.program import save_program
from export.reversal import chain
from export.reversal.chain import Request, train_again
from runtime.errors import ConfigError
from tests.export.detection.conftest import (
    SECTIONS,
    drawn_pages,
    write_checkpoint,
    write_config,
)
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import read_parameters
from training.config import Config
from training.plan import read_deployed_plan

SIX = {
    "model_type": "det",
    "algorithm": "DB",
    "Backbone": {
        "name": "PPLCNetV4",
        "det": True,
        "net_config": {
            "stem": [8, 8],
            "blocks_s1": [[3, 8, 8, 1, True]],
            "blocks_s2": [[3, 8, 16, 2, False], [3, 16, 16, 1, True]],
            "blocks_s3": [[3, 16, 16, 2, False]],
            "blocks_s4": [[3, 16, 16, 2, False], [3, 16, 16, 1, False]],
        },
    },
    "Neck": {"name": "RepLKFPN", "out_channels": 16, "dilated_kernel_size": 5},
    "Head": {"name": "DBHead", "aux_in_channels": 16},
}
OLD = {
    "model_type": "det",
    "algorithm": "DB",
    "Backbone": {"name": "MobileNetV3", "scale": 0.35, "model_name": "large", "disable_se": True},
    "Neck": {"name": "DBFPN", "out_channels": 16},
    "Head": {"name": "DBHead", "k": 50},
}
SERVER = {
    "model_type": "det",
    "algorithm": "DB",
    "Backbone": {"name": "ResNet_vd", "layers": 18},
    "Neck": {"name": "LKPAN", "out_channels": 16},
    "Head": {"name": "DBHead", "kernel_list": [7, 2, 2], "k": 50},
}
NETWORKS = {
    "v3": SECTIONS["Architecture"]["Models"]["Student"],
    "v6": SIX,
    "MobileNetV3": OLD,
    "ResNet_vd": SERVER,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three pages."""
    folder = tmp_path_factory.mktemp("pages")
    for number, page in enumerate(drawn_pages()[:3]):
        cv2.imwrite(str(folder / f"{number}.png"), page)
    return folder


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=() if name == "v3" else pytest.mark.slow) for name in NETWORKS
    ],
)
def deployed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Config, Path]:
    """A config, and the ONNX file of a network of it that marks what is bright."""
    folder = tmp_path_factory.mktemp("deployed")
    sections = copy.deepcopy(SECTIONS)
    sections["Architecture"] = NETWORKS[request.param]
    sections["PostProcess"] = {"name": "DBPostProcess", "thresh": 0.3, "box_thresh": 0.3}
    config = write_config(folder, sections)
    checkpoint = write_checkpoint(folder, config, steps=20)
    source = Source(config, checkpoint, "Student")
    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped)
    model = convert(save_program(stripped.network, spec, folder), spec)
    (folder / "student.onnx").write_bytes(model.SerializeToString())
    return config, folder / "student.onnx"


def test_it_is_the_same_network_and_trains(
    deployed: tuple[Config, Path],
    pages: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, model = deployed
    monkeypatch.setattr(
        "export.detection.reversal._SIDE_PX", 256
    )  # as large as the pages, so that it takes no time
    result = train_again(Request(model, config, [pages], tmp_path / "again"))
    assert result["images"] == 3
    assert any(name.startswith("head.thresh") for name in result["fresh"])
    proof: dict[str, Any] = result["proof"]
    assert proof["evaluation"]["largest"] <= 1e-4 and proof["exported"]["largest"] <= 1e-4
    assert proof["training"]["largest"] <= 1e-2
    assert proof["step"]["loss_after"] <= proof["step"]["loss_before"] + 0.01
    plan = read_deployed_plan(config)
    network = plan.model.build(plan.task.num_classes_of)
    report = load_into(network, read_parameters(tmp_path / "again"), "the file")
    assert not report.missing and not report.unused


def test_a_config_that_normalises_otherwise_is_refused(
    deployed: tuple[Config, Path], pages: Path, tmp_path: Path
) -> None:
    config, model = deployed
    sections = copy.deepcopy(dict(config.sections))
    sections["Eval"]["dataset"]["transforms"][3]["NormalizeImage"]["std"] = [0.5, 0.5, 0.5]
    with pytest.raises(ConfigError, match="other images than the file's: std: expected"):
        train_again(Request(model, Config(None, sections), [pages], tmp_path / "again"))


def test_a_recognisers_config_is_refused(
    deployed: tuple[Config, Path], pages: Path, tmp_path: Path
) -> None:
    from tests.training.recognition.plans import config_of

    config = config_of({"": {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}})
    with pytest.raises(ConfigError, match="is rec, the model file a detector"):
        train_again(Request(deployed[1], config, [pages], tmp_path / "again"))


@pytest.mark.slow
def test_rapidocrs_detector_is_taken_back(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PP-OCRv6 small."""
    rapidocr = pytest.importorskip("rapidocr")
    model = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_det_small.onnx"
    if not model.is_file():
        pytest.skip(f"rapidocr has no {model.name}")
    from training.config import load_config

    monkeypatch.setattr("export.detection.reversal._SIDE_PX", 256)
    monkeypatch.setattr(chain, "_exported", lambda source: chain.run_of_onnx(
        model.read_bytes(), chain.read_model(model).spec))  # fmt: skip
    config = load_config(Path("configs/detection/PP-OCRv6_small_det.yml"))
    result = train_again(Request(model, config, [pages], tmp_path / "again", count=2))
    assert result["layers"] == 85
    assert np.isfinite(result["proof"]["step"]["loss_after"])
