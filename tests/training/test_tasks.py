"""A second task needs a class of its own and a row in the table, and nothing beside them changes.

The task here is `tests.fakes.brightness`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from tests.fakes.brightness import SIDE_PX, BrightnessTask, write_config
from tests.training.recognition.plans import config_of
from training.check_config import main as check_config
from training.config import load_config
from training.evaluate import evaluate_checkpoint
from training.plan import read_deployed_plan, read_plan
from training.tasks import TASKS, unsupported_family
from training.train import train


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config of the task, with eight images of one level each."""
    monkeypatch.setitem(TASKS, "brightness", BrightnessTask)
    return write_config(tmp_path)


def test_it_is_checked_trained_saved_resumed_and_evaluated(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_config(["-c", str(config)]) == 0
    assert "nothing wrong found" in capsys.readouterr().out
    figures = train(load_config(config))
    assert set(figures["last"]) == {"closeness"} and figures["images"] == 8
    folder = config.parent / "out"
    assert (folder / "latest.pdparams").is_file() and (folder / "best_accuracy.pdopt").is_file()
    more = ["Global.epoch_num=4", f"Global.checkpoints={folder / 'latest'}"]
    assert train(load_config(config, more))["images"] == 8
    result = evaluate_checkpoint(load_config(config, [f"Global.checkpoints={folder / 'latest'}"]))
    assert result["networks"]["network"]["closeness"] <= 1 and result["images"] == 8


def test_its_mistakes_are_named_like_any_task_s(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"-o Loss\.name: unknown loss 'CTCLoss'"):
        train(load_config(config, ["Loss.name=CTCLoss"]))
    with pytest.raises(ConfigError, match="expected Decode"):
        train(load_config(config, ["Train.dataset.transforms=[]"]))


def test_several_of_its_networks_teach_each_other(config: Path) -> None:
    network = {
        "return_all_feats": True,
        "Backbone": {"name": "MobileNetV1Enhance", "scale": 0.125},
        "Head": {"name": "MeanHead"},
    }
    from training import build_loss, build_model

    model = build_model(
        {"model_type": "brightness", "Models": {"Teacher": network, "Student": network}}
    )
    pair = ["Student", "Teacher"]
    loss = build_loss(
        {
            "name": "CombinedLoss",
            "loss_config_list": [
                {
                    "DistillationSquareLoss": {
                        "weight": 1,
                        "model_name_list": pair,
                        "key": "head_out",
                    }
                },
                {
                    "DistillationDistanceLoss": {
                        **{"weight": 1, "model_name_pairs": pair, "key": "backbone_out"},
                    }
                },
            ],
        }
    )
    batch = {
        "image": paddle.randn([2, 3, SIDE_PX, SIDE_PX]),
        "brightness": paddle.to_tensor([0.2, 0.7]),
    }
    model.train()
    losses = loss(model(batch["image"], batch), batch)
    assert list(losses) == [
        *("loss_square_Student_0", "loss_square_Teacher_1"),
        *("loss_distance_l2_Student_Teacher_0", "loss"),
    ]
    losses["loss"].backward()
    assert model.networks["Student"].head.fc.weight.grad is not None


@pytest.mark.parametrize(
    ("architecture", "place", "family"),
    [
        ({"model_type": "table", "algorithm": "SLANet"}, "model_type", "SLANet (model_type table)"),
        ({"model_type": "cls"}, "model_type", "cls (model_type cls)"),
        (
            {"model_type": "rec", "algorithm": "SRN", "Head": {"name": "SRNHead"}},
            "algorithm",
            "SRN (head SRNHead)",
        ),
        (
            {"model_type": "det", "algorithm": "EAST", "Head": {"name": "EASTHead"}},
            "algorithm",
            "EAST (head EASTHead)",
        ),
        ({"Head": {"name": "UnheardOf"}}, "Head.name", "UnheardOf (head UnheardOf)"),
        # Alone, though it has parts here: PaddleOCR's NRTR reads without CTC.
        ({"algorithm": "NRTR", "Head": {"name": "Transformer"}}, "algorithm", "NRTR (head Tra"),
    ],
)
def test_a_family_that_is_not_trained_here_is_one_line(
    architecture: dict[str, Any], place: str, family: str
) -> None:
    config = config_of({"": {"Backbone": {"name": "ResNet45"}}})
    config.sections["Architecture"] = {"Backbone": {"name": "ResNet45"}, **architecture}
    for read in (read_plan, read_deployed_plan):
        with pytest.raises(ConfigError) as error:
            read(config)
        text = str(error.value)
        assert text.startswith(f"config: Architecture.{place}: the family {family}")
        assert "CTC head" in text and "\n" not in text


@pytest.mark.parametrize("head", ["CTCHeads", "CTCHead", "MultiHaed"])
def test_a_slip_of_the_pen_is_no_other_family(head: str) -> None:
    assert unsupported_family({"algorithm": "SVTR_LCNet", "Head": {"name": head}}) is None
    assert unsupported_family("nothing") is None
