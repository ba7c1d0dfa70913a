"""What is wrong with detection configs that PaddleOCR ships is named, line by line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ConfigError
from tests.training.detection.plans import PLAIN, config_of, problems, reread, write_pages
from training.config import Config, load_config
from training.plan import read_plan

PADDLEOCR = os.environ.get("DISTILREC_PADDLEOCR")
ADDRESS = "https://paddleocr.bj.bcebos.com/pretrained/PPLCNetV3_x0_75_ocr_det.pdparams"


@pytest.fixture(autouse=True)
def run_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pages(tmp_path, 1)
    monkeypatch.chdir(tmp_path)


def with_value(section: str, **values: Any) -> Config:
    config = config_of({"": PLAIN})
    config.sections[section] |= values
    return config


def test_weights_at_an_address_are_to_be_fetched(tmp_path: Path) -> None:
    config = reread(with_value("Global", pretrained_model=ADDRESS), tmp_path)
    (problem,) = problems(config)
    assert problem.startswith(f"{tmp_path / 'config.yml'}:")
    assert "Global.pretrained_model: nothing is downloaded: expected a file, got http" in problem


def test_pairs_given_twice_have_their_lines(tmp_path: Path) -> None:
    # As in every mutual loss on maps that PaddleOCR ships.
    file = tmp_path / "twice.yml"
    file.write_text(
        "Loss:\n  loss_config_list:\n  - DistillationDMLLoss:\n"
        "      model_name_pairs:\n      - [Student, Student2]\n"
        "      weight: 1.0\n      model_name_pairs: [Student, Student2]\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"twice\.yml:7: .*model_name_pairs is given twice.*4"):
        load_config(file)


def test_a_factor_that_yaml_reads_as_text_counts() -> None:
    plan = read_plan(with_value("Optimizer", regularizer={"name": "L2", "factor": "1e-6"}))
    assert plan.optimizer.regularizer is not None
    assert plan.optimizer.regularizer.build() == 1e-6
    wrong = with_value("Optimizer", regularizer={"name": "L2", "factor": "few"})
    assert "Optimizer.regularizer.factor: expected a number, got 'few'" in problems(wrong)[0]


def test_further_names_and_keys_of_paddleocr_are_taken() -> None:
    config = with_value("PostProcess", key="head_out")
    config.sections["Train"]["dataset"]["name"] = "TextDetDataset"
    config.sections["Architecture"]["Backbone"] = {
        **{"name": "ResNet_vd", "layers": 18, "disable_se": True, "in_channels": 3},
    }
    config.sections["Global"]["d2s_train_image_shape"] = [3, -1, -1]
    assert set(read_plan(config).without_effect) == {
        *("PostProcess.key", "Architecture.Backbone.disable_se"),
        *("Architecture.Backbone.in_channels", "Global.d2s_train_image_shape"),
    }


FETCHED = {"Global.pretrained_model"}
TWICE = {"not valid YAML"}
DIAGNOSES: dict[str, set[str]] = {
    "PP-OCRv3_det_cml.yml": TWICE,
    "PP-OCRv3_det_dml.yml": TWICE,
    "PP-OCRv3_mobile_det.yml": FETCHED,
    "PP-OCRv3_server_det.yml": FETCHED,
    "PP-OCRv4_det_cml.yml": {"Architecture.Models.Teacher.pretrained"},
    "PP-OCRv4_mobile_det.yml": FETCHED,
    "PP-OCRv4_mobile_seal_det.yml": FETCHED,
    "PP-OCRv4_server_det.yml": FETCHED,
    "PP-OCRv4_server_seal_det.yml": FETCHED,
    "PP-OCRv5_mobile_det.yml": FETCHED,
    "PP-OCRv5_server_det.yml": FETCHED,
    "ch_PP-OCRv2_det_cml.yml": TWICE,
    "ch_PP-OCRv2_det_distill.yml": {
        *FETCHED,
        "Architecture.Models.Student.pretrained",
        "Architecture.Models.Teacher.pretrained",
    },
    "ch_PP-OCRv2_det_dml.yml": TWICE,
    "ch_PP-OCRv2_det_student.yml": FETCHED,
    "ch_det_mv3_db_v2.0.yml": FETCHED,
    "ch_det_res18_db_v2.0.yml": FETCHED,
}
"""Places of what is wrong in the files that PaddleOCR ships; the others are right."""


@pytest.mark.slow
@pytest.mark.skipif(PADDLEOCR is None, reason="DISTILREC_PADDLEOCR names no PaddleOCR checkout")
def test_every_detection_config_of_a_checkout() -> None:
    root = Path(str(PADDLEOCR)).resolve() / "configs" / "det"
    folders = [*root.glob("PP-OCRv[3-6]"), root / "ch_PP-OCRv2", root / "ch_ppocr_v2.0"]
    files = [file for folder in folders for file in folder.rglob("*.y*ml")]
    assert files
    overrides = [f"{part}.dataset.data_dir=train_data" for part in ("Train", "Eval")]
    overrides += [
        f"{part}.dataset.label_file_list=[train_data/train_list.txt]" for part in ("Train", "Eval")
    ]
    for file in files:
        places: set[str] = set()
        try:
            read_plan(load_config(file, overrides))
        except ConfigError as error:
            places = {line.split(": ")[1] for line in str(error).splitlines()}
        assert places == DIAGNOSES.get(file.name, set()), (file, places)
