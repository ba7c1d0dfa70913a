"""The comparison with PaddleOCR: right against a stand-in, and against the real one if named."""

import copy
import json
import os
import subprocess
import sys

import paddle
import pytest
import yaml

from benchmarks.parity.training import compare, main
from runtime.errors import OcrError
from training import build_loss, build_model

PADDLEOCR = os.environ.get("DISTILREC_PADDLEOCR")


@pytest.fixture
def sections():
    with open("configs/ch_PP-OCRv2_rec_distillation.yml", encoding="utf-8") as file:
        sections = yaml.safe_load(file)
    for network in sections["Architecture"]["Models"].values():
        network["Backbone"]["scale"] = 0.125
        network["Neck"]["hidden_size"] = 8
    yield sections
    paddle.set_default_dtype("float32")


def _stand_in(sections, hidden_size=8, weight=1.0):
    """This project's own builders, called as PaddleOCR's are."""

    def model(architecture):
        architecture = copy.deepcopy(architecture)
        for network in architecture["Models"].values():
            classes = network["Head"].pop("out_channels")
            network["Neck"]["hidden_size"] = hidden_size
        return build_model(architecture, classes)

    def loss(entries):
        entries[0]["DistillationCTCLoss"]["weight"] = weight
        ours = build_loss({"name": "CombinedLoss", "loss_config_list": entries})
        # PaddleOCR's losses take the batch as a list.
        return lambda outputs, batch: ours(
            outputs, dict(zip(("image", "label", "length"), batch, strict=True))
        )

    return model, loss


def test_the_same_arithmetic_has_no_difference(sections):
    differences = compare(sections, _stand_in(sections), 12, "float64")
    assert len(differences) == 6 + 5 + 1
    assert set(differences.values()) == {0.0}


def test_another_loss_weight_shows_in_losses_and_gradients(sections):
    differences = compare(sections, _stand_in(sections, weight=1.5), 12, "float64")
    assert differences["loss_ctc_Student_0"] == pytest.approx(1 / 3)
    assert differences["Student.head_out"] == 0.0
    assert max(v for name, v in differences.items() if name.startswith("gradient")) > 0.01


def test_another_structure_is_refused(sections):
    with pytest.raises(OcrError, match="names or shapes"):
        compare(sections, _stand_in(sections, hidden_size=9), 12, "float64")


def test_a_folder_that_is_no_checkout_is_one_line(tmp_path, capsys):
    assert main(["--paddleocr", str(tmp_path)]) == 2
    assert "expected a checkout of PaddleOCR" in capsys.readouterr().err


@pytest.mark.skipif(PADDLEOCR is None, reason="DISTILREC_PADDLEOCR names no PaddleOCR checkout")
def test_paddleocr_itself_computes_the_same():
    command = [sys.executable, "-m", "benchmarks.parity", "--paddleocr", str(PADDLEOCR)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    tables = json.loads(result.stdout.splitlines()[-1])
    assert set(tables["float64"].values()) == {0.0}
    losses = {name: value for name, value in tables["float32"].items() if "loss" in name}
    assert len(losses) == 4
    assert max(losses.values()) < 1e-5
