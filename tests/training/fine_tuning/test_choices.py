"""`auto` in a config: settings from the number of training lines; every other key as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ConfigError
from tests.training.recognition.plans import config_of
from training.config import Config, load_config
from training.plan import read_deployed_plan, read_plan
from training.recognition.suited import suited_to

ROOT = Path(__file__).resolve().parents[3]
TINY = {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}


def config(**train: Any) -> Config:
    made = config_of({"": TINY})
    made.sections["Global"] |= {"epoch_num": "auto", "eval_batch_step": "auto"}
    made.sections["Optimizer"]["lr"]["learning_rate"] = "auto"
    made.sections["Train"]["loader"]["batch_size_per_card"] = "auto"
    transforms = made.sections["Train"]["dataset"]["transforms"]
    made.sections["Train"]["dataset"] |= {
        "count": 100,
        "transforms": [transforms[0], {"RecAug": "auto"}, *transforms[1:]],
    }
    made.sections["Train"]["dataset"] |= train
    return made


def test_settings_follow_from_the_number_of_lines() -> None:
    asked = config()
    plan = read_plan(asked)
    suited = suited_to(100)
    assert plan.settings.epoch_num == suited.epochs
    assert tuple(plan.settings.eval_batch_step) == suited.eval_batch_step  # type: ignore[arg-type]
    assert plan.train.loader.batch_size_per_card == suited.batch_size
    assert plan.optimizer.schedule.options["learning_rate"] == suited.learning_rate
    assert plan.train.options_of("RecAug") == suited.augmentation["RecAug"]
    assert plan.notes[0].startswith("chosen for 100 training samples: ")
    evaluated = read_plan(asked, ("Eval",))
    assert not any("chosen for" in note for note in evaluated.notes), "no one trains"
    # The author's config stays, and one without `auto` is passed on as it is.
    assert asked.sections["Global"]["epoch_num"] == "auto"
    told = config_of({"": TINY})
    assert read_plan(told).config is told


def test_what_a_person_says_counts() -> None:
    asked = config()
    asked.sections["Global"]["epoch_num"] = 3
    assert read_plan(asked).settings.epoch_num == 3


@pytest.mark.parametrize(
    "fewer, more", [(1, 50), (50, 100), (100, 1000), (1000, 5000), (5000, 10**6)]
)
def test_few_lines_are_read_more_often_in_smaller_batches(fewer: int, more: int) -> None:
    few, many = suited_to(fewer), suited_to(more)
    assert few.epochs >= many.epochs >= 1
    assert 1 <= few.batch_size <= many.batch_size
    assert few.epochs * few.steps_per_epoch <= many.epochs * many.steps_per_epoch


def test_label_files_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("".join(f"{n}.png\t1\n" for n in range(40)))
    asked = config()
    transforms = asked.sections["Train"]["dataset"]["transforms"]
    asked.sections["Train"]["dataset"] = {
        "name": "SimpleDataSet",
        "data_dir": str(tmp_path),
        "label_file_list": [str(file)],
        "ratio_list": 0.5,
        "transforms": transforms,
    }
    assert read_plan(asked).notes[0].startswith("chosen for 20 training samples: ")
    # Where no one trains, the files need not be there.
    asked.sections["Train"]["dataset"]["label_file_list"] = ["nowhere.txt"]
    assert read_deployed_plan(asked).settings.epoch_num == suited_to(1000).epochs
    assert read_plan(asked, data=()).settings.epoch_num == suited_to(1000).epochs
    with pytest.raises(ConfigError) as error:
        read_plan(asked)
    assert str(error.value).count("\n") == 0 and "no file nowhere.txt" in str(error.value)


def test_auto_is_for_what_can_be_chosen() -> None:
    asked = config()
    asked.sections["Train"]["dataset"]["transforms"][0] = {"DecodeImage": "auto"}
    asked.sections["Global"]["max_text_length"] = "auto"
    with pytest.raises(ConfigError) as error:
        read_plan(asked)
    assert "DecodeImage: auto is not known of DecodeImage: expected its options" in str(error.value)
    assert "Global.max_text_length: expected" in str(error.value)


def test_the_shipped_config_leaves_it_to_the_number_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("".join(f"{n}.png\t1\n" for n in range(100)))
    overrides = [
        f"{section}.dataset.{key}={value}"
        for section in ("Train", "Eval")
        for key, value in (("data_dir", tmp_path), ("label_file_list", f"[{file}]"))
    ]
    overrides += [f"Global.character_dict_path={ROOT / 'configs/latin_dict.txt'}"]
    overrides += [
        f"Architecture.Models.{name}.pretrained={ROOT / 'models/latin/student.pdparams'}"
        for name in ("Teacher", "Student")
    ]
    plan = read_plan(load_config(ROOT / "configs/fine_tune.yml", overrides))
    suited = suited_to(100)
    assert plan.settings.epoch_num == suited.epochs
    weights = [part.weight for part in plan.loss.parts]
    assert suited.anchor in weights
    assert plan.model.networks["Student"].keeps_statistics is suited.frozen_statistics is True
    assert plan.train.options_of("RecAug") and plan.evaluation.options_of("RecAug") is None
