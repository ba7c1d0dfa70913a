"""Reading a YAML file, overriding it, and finding a key's line in it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ConfigError
from training.config import (
    Config,
    GlobalConfig,
    add_config_arguments,
    load_config,
    read_global,
)
from training.registry import Problem, Problems

TEXT = """\
Global: &global
  epoch_num: 2
  pretrained_model:
Loss:
  loss_config_list:
  - CTCLoss: &options
      weight: 1.0
  - ACELoss: *options
Copy:
  <<: *global
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config.yml"
    file.write_text(TEXT, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("override", "keys", "value"),
    [
        ("Global.epoch_num=7", ("Global", "epoch_num"), 7),
        ("Global.pretrained_model=a=b", ("Global", "pretrained_model"), "a=b"),
        ("Global.pretrained_model=", ("Global", "pretrained_model"), None),
        ("Global.new=[1, 2.5]", ("Global", "new"), [1, 2.5]),
        ("Global.pretrained_model.deep=x", ("Global", "pretrained_model", "deep"), "x"),
        (
            "Loss.loss_config_list.0.CTCLoss.weight=3",
            ("Loss", "loss_config_list", 0),
            {"CTCLoss": {"weight": 3}},
        ),
        ("Loss.loss_config_list.1={A: 1}", ("Loss", "loss_config_list", 1), {"A": 1}),
        ("Extra=5", ("Extra",), 5),
    ],
)
def test_overrides(path: Path, override: str, keys: tuple[Any, ...], value: Any) -> None:
    place: Any = load_config(path, [override]).sections
    for key in keys:
        place = place[key]
    assert place == value


def test_an_override_changes_one_place_even_where_the_file_has_an_alias(path: Path) -> None:
    overrides = ["Loss.loss_config_list.0.CTCLoss.weight=3", "Global.epoch_num=9"]
    sections = load_config(path, overrides).sections
    assert sections["Loss"]["loss_config_list"] == [
        {"CTCLoss": {"weight": 3}},
        {"ACELoss": {"weight": 1.0}},
    ]
    assert sections["Copy"]["epoch_num"] == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("Global.epoch_num", "expected Section.key=value"),
        ("=3", "expected Section.key=value"),
        ("Global.a=[1", "not valid YAML"),
        ("Globl.epoch_num=1", "unknown key 'Globl'.*did you mean Global"),
        ("Global.epoch_num.x=1", "Global.epoch_num holds 2, not keys"),
        ("Global.epoch_num.x.y=1", "Global.epoch_num.x holds 2, not keys"),
        ("Loss.loss_config_list.5.x=1", "expected an index from 0 to 1, got '5'"),
        ("Loss.loss_config_list.a=1", "expected an index from 0 to 1, got 'a'"),
    ],
)
def test_overrides_that_lead_nowhere(path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(path, [override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: *model_type\n", r"config\.yml:1: not valid YAML: found undefined alias 'model_type'"),
        ("a: 1\nb: [1\n", r"config\.yml:3: not valid YAML"),
        ("a: 1\n\tb: 2\n", r"config\.yml:2: not valid YAML"),
        ("a: !!python/object/apply:os.system [x]\n", "not valid YAML: could not determine"),
        ("- a\n", "expected sections such as Global"),
        ("", "expected sections such as Global, got None"),
        ("a: &a\n  b: *a\n", "an alias holds itself"),
        ("a: [1]: 2\n", "not valid YAML"),
        ("? [1]\n: 2\n", "not valid YAML"),
        (
            "Global:\n  seed: 1\n  epoch_num: 3\n  seed: 2\n",
            r"config\.yml:4: not valid YAML: the key seed is given twice, here and on line 2",
        ),
        ("a: " + "[" * 200, "not valid YAML: nested deeper than 64 levels"),
    ],
)
def test_files_that_are_no_config(path: Path, text: str, message: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_missing_and_undecodable_files(tmp_path: Path, path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the config"):
        load_config(tmp_path / "none.yml")
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigError, match="not valid YAML: unacceptable character #x00ff"):
        load_config(path)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("Global", 1),
        ("Global.epoch_num", 2),
        ("Global.epoch_num.below", 2),
        ("Loss.loss_config_list.0.CTCLoss.weight", 7),
        ("Loss.loss_config_list.1", 8),
        ("Loss.loss_config_list.2.x", 5),
    ],
)
def test_the_line_of_a_problem(path: Path, key: str, line: int) -> None:
    assert load_config(path).located(Problem(key, "m")) == f"{path}:{line}: {key}: m"


@pytest.mark.parametrize(
    ("problem", "place"),
    [
        ("Global.epoch_num", "-o Global.epoch_num: m"),
        ("Loss", "-o Loss: m"),
        ("Loss.name", "-o Loss.name: m"),
        ("Global", "{path}:1: Global: m"),
        ("Global.epoch_number", "{path}:1: Global.epoch_number: m"),
    ],
)
def test_what_o_put_there_is_blamed_on_o(path: Path, problem: str, place: str) -> None:
    config = load_config(path, ["Global.epoch_num=x", "Loss={name: A}"])
    assert config.located(Problem(problem, "m")) == place.replace("{path}", str(path))


def test_a_problem_without_a_line(path: Path) -> None:
    assert load_config(path).located(Problem("Nowhere.x", "m")) == f"{path}: Nowhere.x: m"
    assert Config(None, {}).located(Problem("a", "m")) == "config: a: m"


def test_every_problem_is_raised(path: Path) -> None:
    config = load_config(path)
    config.raise_problems([])
    with pytest.raises(ConfigError) as error:
        config.raise_problems([Problem("Global", "a"), Problem("Loss", "b")])
    assert str(error.value) == f"{path}:1: Global: a\n{path}:4: Loss: b"


def test_globals_take_defaults_where_the_file_is_empty() -> None:
    config = Config(None, {"Global": {"epoch_num": 3, "pretrained_model": None, "debug": True}})
    assert read_global(config.sections["Global"], Problems()) == GlobalConfig(epoch_num=3)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"epoch_num": 0}, "Global.epoch_num: expected at least 1, got 0"),
        ({"print_batch_step": 0}, "Global.print_batch_step: expected at least 1, got 0"),
        ({"eval_batch_step": 0}, "Global.eval_batch_step: expected steps"),
        ({"eval_batch_step": [0, 0]}, "Global.eval_batch_step: expected steps"),
        ({"eval_batch_step": [5]}, "Global.eval_batch_step: expected a whole number or a list"),
        ({"use_gpu": "yes"}, "Global.use_gpu: expected true or false, got 'yes'"),
        ({"epochs_num": 3}, "did you mean epoch_num"),
    ],
)
def test_globals_that_cannot_be(options: dict[str, Any], problem: str) -> None:
    problems = Problems()
    assert read_global(options, problems) is None
    (found,) = problems
    assert problem in str(found)


def test_the_hash_is_of_the_content(tmp_path: Path, path: Path) -> None:
    config = load_config(path)
    other = tmp_path / "other.yml"
    other.write_text("# a comment\n" + TEXT, encoding="utf-8")
    assert load_config(other).sha256 == config.sha256
    assert load_config(path, ["Global.epoch_num=3"]).sha256 != config.sha256


def test_command_line_collects_overrides() -> None:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    options = parser.parse_args(["-c", "a.yml", "-o", "A.b=1", "C.d=2", "-o", "E.f=3"])
    assert options.config == Path("a.yml")
    assert options.override == ["A.b=1", "C.d=2", "E.f=3"]
