"""Every mistake of a config is found before anything is built, with its file and line."""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from runtime.errors import ConfigError
from training.check_config import main
from training.checkpoint.saved import save_checkpoint
from training.config import Config, load_config
from training.plan import read_plan

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
SHIPPED = ["ch_PP-OCRv2_rec", "ch_PP-OCRv2_rec_distillation", "ch_PP-OCRv2_rec_enhanced_ctc_loss"]
NUM_CLASSES = 12
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def data_overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides that name files which exist."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "dict.txt").write_text("\n".join("0123456789"), encoding="utf-8")
    (folder / "labels.txt").write_text("a.png\t1\n", encoding="utf-8")
    return [
        f"Global.character_dict_path={folder}/dict.txt",
        f"Train.dataset.data_dir={folder}",
        f"Train.dataset.label_file_list=[{folder}/labels.txt]",
        f"Eval.dataset.data_dir={folder}",
        f"Eval.dataset.label_file_list=[{folder}/labels.txt]",
    ]


def shipped(name: str, data_overrides: list[str], *more: str) -> Config:
    overrides = [*data_overrides, *more]
    if name == SHIPPED[2]:
        overrides.append(f"Loss.loss_config_list.1.CenterLoss.num_classes={NUM_CLASSES}")
    return load_config(CONFIGS / f"{name}.yml", overrides)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configs_are_right_and_stay_as_they_are(
    data_overrides: list[str], name: str
) -> None:
    config = shipped(name, data_overrides)
    before = copy.deepcopy(config.sections)
    plan = read_plan(config)
    assert config.sections == before
    assert plan.without_effect == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_without_data_they_name_every_missing_file_with_its_line(name: str) -> None:
    path = CONFIGS / f"{name}.yml"
    overrides = [f"{part}.dataset.data_dir=./no_such_folder" for part in ("Train", "Eval")]
    overrides += ["Global.character_dict_path=./no_such_folder/dict.txt"]
    with pytest.raises(ConfigError) as error:
        read_plan(load_config(path, overrides))
    text = path.read_text().splitlines()
    problems = str(error.value).splitlines()
    assert len(problems) >= 3
    given = [problem for problem in problems if problem.startswith("-o ")]
    names = [override.partition("=")[0] for override in overrides]
    assert sorted(problem.split(": ")[0].removeprefix("-o ") for problem in given) == sorted(names)
    for problem in problems:
        if problem in given:
            continue
        key = problem.split(": ")[1].split(".")[-1]
        line = text[int(problem.split(":")[1]) - 1]
        assert key in line or key.isdigit()


def small(edit: Edit, path: Path | None = None) -> str:
    """What is wrong with the small pair's config after an edit."""
    sections = load_config(CONFIGS / "small.yml").sections
    sections["Global"]["character_dict_path"] = str(CONFIGS / "small_dict.txt")
    sections["Global"]["pretrained_model"] = None
    edit(sections)
    if path is not None:
        path.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
    config = Config(None, sections) if path is None else load_config(path)
    with pytest.raises(ConfigError) as error:
        read_plan(config)
    return str(error.value)


def put(*keys: Any) -> Edit:
    """An edit that sets (or with `...` deletes) one place."""
    *parents, last, value = keys

    def edit(sections: dict[str, Any]) -> None:
        place: Any = sections
        for key in parents:
            place = place[key]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return edit


def test_the_small_pair_is_right() -> None:
    overrides = [f"Global.character_dict_path={CONFIGS / 'small_dict.txt'}"]
    read_plan(load_config(CONFIGS / "small.yml", overrides))


def test_fine_tuning_asks_for_lines_and_nothing_else(tmp_path: Path) -> None:
    labels = tmp_path / "lines.txt"
    labels.write_text("a.png\ta\n", encoding="utf-8")
    overrides = [f"Global.character_dict_path={CONFIGS / 'latin_dict.txt'}"]
    for part in ("Train", "Eval"):
        overrides += [f"{part}.dataset.data_dir={tmp_path}"]
        overrides += [f"{part}.dataset.label_file_list=[{labels}]"]
    read_plan(load_config(CONFIGS / "fine_tune.yml", overrides))


TEACHER = ("Architecture", "Models", "Teacher")
PARTS = ("Loss", "loss_config_list")
KEEP_KEYS = ("Train", "dataset", "transforms", 3, "KeepKeys", "keep_keys")

# What is wrong in configs that PaddleOCR itself ships, and what else a hand leaves behind.
MISTAKES: dict[str, tuple[Edit, str]] = {
    "NRTRLabelDecode": (
        put("PostProcess", "name", "NRTRLabelDecode"),
        "PostProcess.name: unknown post-process 'NRTRLabelDecode'",
    ),
    "a loss with an unknown network": (
        put(*PARTS, 0, "DistillationCTCLoss", "model_name_list", ["Student", "Techer"]),
        "unknown network 'Techer': expected one of Student, Teacher; did you mean Teacher?",
    ),
    "a pair with an unknown network": (
        put(*PARTS, 1, "DistillationDMLLoss", "model_name_pairs", ["Student", "Student2"]),
        "unknown network 'Student2'",
    ),
    "a pair of three": (
        put(*PARTS, 1, "DistillationDMLLoss", "model_name_pairs", ["Student", "Teacher", "a"]),
        "model_name_pairs: expected pairs of networks",
    ),
    "no pair": (
        put(*PARTS, 1, "DistillationDMLLoss", "model_name_pairs", []),
        "model_name_pairs: expected pairs of networks, got []",
    ),
    "no network": (
        put(*PARTS, 0, "DistillationCTCLoss", "model_name_list", []),
        "model_name_list: expected at least one network, got none",
    ),
    "return_all_feats missing": (
        put(*TEACHER, "return_all_feats", ...),
        "key 'head_out' needs return_all_feats: true in every network it is taken from",
    ),
    "a loss without a key": (
        put(*PARTS, 0, "DistillationCTCLoss", "key", ...),
        "DistillationCTCLoss.key: expected a key such as head_out",
    ),
    "a loss with an unknown key": (
        put(*PARTS, 2, "DistillationDistanceLoss", "key", "backbone"),
        "unknown output 'backbone': expected one of backbone_out, head_out, neck_out; did you",
    ),
    "an output that a head does not give by name": (
        put(*PARTS, 1, "DistillationDMLLoss", "multi_head", True),
        "DistillationDMLLoss.multi_head: DistillationDMLLoss takes ctc by name, and the CTCHead of",
    ),
    "a decoder with a key that evaluation does not give": (
        put("PostProcess", "key", "neck_out"),
        "PostProcess.key: unknown output 'neck_out': expected one of head_out",
    ),
    "a metric of a network that is not decoded": (
        put("Metric", "key", "Studnet"),
        "Metric.key: unknown network in PostProcess.model_name 'Studnet'",
    ),
    "a decoder of an unknown network": (
        put("PostProcess", "model_name", ["Student", "Teachr"]),
        "PostProcess.model_name: unknown network 'Teachr'",
    ),
    "an unknown base metric": (
        put("Metric", "base_metric_name", "RecMetrics"),
        "Metric.base_metric_name: unknown metric 'RecMetrics'",
    ),
    "a decoder of one network": (
        put("PostProcess", {"name": "CTCLabelDecode"}),
        "PostProcess.name: expected DistillationCTCLabelDecode for this Architecture",
    ),
    "a metric of one network": (
        put("Metric", {"name": "RecMetric"}),
        "Metric.name: expected DistillationMetric for this Architecture, got RecMetric",
    ),
    "a loss of one network": (
        put(*PARTS, 0, {"CTCLoss": {"weight": 1.0}}),
        "CTCLoss: expected a distillation loss for this Architecture, got CTCLoss",
    ),
    "a frozen network without weights": (
        put(*TEACHER, "freeze_params", True),
        "Architecture.Models.Teacher.freeze_params: this network is frozen but starts at random",
    ),
    "an unknown section": (put("Archtecture", {}), "unknown section 'Archtecture'"),
    "a missing section": (put("Metric", ...), "Metric: expected this section, got none"),
    "a section that is none": (put("Global", 3), "Global: expected a mapping, got 3"),
    "an unknown global": (
        put("Global", "epoch_nums", 3),
        "Global.epoch_nums: unknown option of Global 'epoch_nums'",
    ),
    "an unknown backbone": (
        put(*TEACHER, "Backbone", "name", "MobileNetV1"),
        "did you mean MobileNetV1Enhance?",
    ),
    "a scale that is none": (
        put(*TEACHER, "Backbone", {"name": "MobileNetV3", "scale": 0.4}),
        "Teacher.Backbone.scale: expected one of 0.35, 0.5, 0.75, 1.0, 1.25, got 0.4",
    ),
    "an unknown transform": (
        put("Train", "dataset", "transforms", 0, {"DecodeImages": None}),
        "unknown transform 'DecodeImages'",
    ),
    "an unknown loader option": (
        put("Train", "loader", "batch_size", 3),
        "Train.loader.batch_size: unknown option of loader",
    ),
    "heights that differ": (
        put(
            "Eval",
            "dataset",
            "transforms",
            2,
            {"RecResizeImg": {"image_shape": [3, 48, 320]}},
        ),
        "Eval.dataset.transforms: expected the training height 32, got 48",
    ),
    "no dictionary": (
        put("Global", "character_dict_path", "no_such.txt"),
        "Global.character_dict_path: cannot read the dictionary no_such.txt",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(mistake: str) -> None:
    edit, message = MISTAKES[mistake]
    assert message in small(edit)


def test_everything_frozen() -> None:
    def edit(sections: dict[str, Any]) -> None:
        for network in sections["Architecture"]["Models"].values():
            network["freeze_params"], network["pretrained"] = True, "a.pdparams"

    assert "every network is frozen: nothing would train" in small(edit)


def test_a_frozen_network_may_start_from_any_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", {"w": np.ones(2)}, {}, {})
    for key in ("pretrained_model", "checkpoints"):
        sections = load_config(CONFIGS / "small.yml").sections
        sections["Global"]["character_dict_path"] = str(CONFIGS / "small_dict.txt")
        sections["Architecture"]["Models"]["Teacher"]["freeze_params"] = True
        sections["Global"][key] = str(tmp_path / "a.pdparams")
        read_plan(Config(None, sections))


def test_keep_keys_with_valid_ratio_works() -> None:
    # In PaddleOCR's own configs it raises a KeyError, because nothing computes it there.
    sections = load_config(CONFIGS / "small.yml").sections
    sections["Global"]["character_dict_path"] = str(CONFIGS / "small_dict.txt")
    put(*KEEP_KEYS, ["image", "label", "length", "valid_ratio"])(sections)
    read_plan(Config(None, sections))


def test_an_undefined_alias_is_named_with_its_line(tmp_path: Path) -> None:
    text = (CONFIGS / "ch_PP-OCRv2_rec_distillation.yml").read_text(encoding="utf-8")
    path = tmp_path / "broken.yml"
    path.write_text(text.replace('&model_type "rec"', '"rec"'), encoding="utf-8")
    line = path.read_text().splitlines().index("      model_type: *model_type") + 1
    with pytest.raises(ConfigError, match=rf"broken\.yml:{line}: .*alias 'model_type'"):
        load_config(path)


def test_every_problem_has_its_line_and_all_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"

    def edit(sections: dict[str, Any]) -> None:
        put(*PARTS, 0, "DistillationCTCLoss", "keys", "head_out")(sections)
        put(*TEACHER, "Neck", "hidden_sizes", 3)(sections)
        put("Optimizer", "lr", "learning_rates", 3)(sections)

    problems = small(edit, path).splitlines()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(problems) == 3
    for problem, key in zip(problems, ("learning_rates", "hidden_sizes", "keys"), strict=True):
        file, line, message = problem.split(":", 2)
        assert file == str(path)
        assert lines[int(line) - 1].strip().startswith(f"{key}:")
        assert "did you mean" in message


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        (
            SHIPPED[0],
            ["Architecture.return_all_feats=true"],
            "Architecture.return_all_feats: one network alone trains on its logits",
        ),
        (
            SHIPPED[0],
            ["PostProcess.name=DistillationCTCLabelDecode", "PostProcess.model_name=[Student]"],
            "PostProcess.name: expected CTCLabelDecode for this Architecture",
        ),
        (
            SHIPPED[0],
            ["Loss={name: DistillationCTCLoss, model_name_list: [Student]}"],
            "Loss: expected a loss of one network for this Architecture",
        ),
        (
            SHIPPED[0],
            ["Loss={name: MultiLoss, loss_config_list: [CTCLoss: null, NRTRLoss: null]}"],
            "Loss: MultiLoss takes ctc, gtc by name, and CTCHead gives one output alone",
        ),
        (SHIPPED[0], ["Loss.name=ACELoss"], "ACELoss needs label_ace among Train"),
        (
            SHIPPED[2],
            ["Architecture.Head.return_feats=false"],
            "CenterLoss needs Architecture.Head.return_feats: true",
        ),
        (
            SHIPPED[2],
            ["Global.use_space_char=false"],
            f"CenterLoss.num_classes: expected the dictionary's 11 classes, got {NUM_CLASSES}",
        ),
        (SHIPPED[0], ["Architecture.Neck="], "Architecture.Neck: a CTC head needs a sequence"),
    ],
)
def test_one_network(
    data_overrides: list[str], name: str, overrides: list[str], message: str
) -> None:
    config = shipped(name, data_overrides, *overrides)
    with pytest.raises(ConfigError) as error:
        read_plan(config)
    assert message in str(error.value)


def test_ace_loss_with_its_counts(data_overrides: list[str]) -> None:
    overrides = ["Loss.loss_config_list=[{CTCLoss: {weight: 1.0}}, {ACELoss: {weight: 0.1}}]"]
    name = SHIPPED[2]
    read_plan(load_config(CONFIGS / f"{name}.yml", [*data_overrides, *overrides]))


def test_keys_without_effect_are_listed(data_overrides: list[str]) -> None:
    overrides = ["Global.debug=false", "Global.distributed=true", "wandb={project: a}"]
    overrides.append("Train.loader.use_shared_memory=true")
    config = shipped(SHIPPED[0], data_overrides, *overrides)
    assert sorted(read_plan(config).without_effect) == [
        "Global.debug",
        "Global.distributed",
        "Train.loader.use_shared_memory",
        "wandb",
    ]


def test_command_line(data_overrides: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = str(CONFIGS / f"{SHIPPED[1]}.yml")
    asked = ["--no-data", "-c", path, "-o", *data_overrides]
    assert main([*asked, "Global.debug=true"]) == 0
    out = capsys.readouterr().out
    assert "Global.debug: has no effect here" in out
    assert out.endswith("nothing wrong found\n")
    assert main([*asked, "Metric.key=Techer"]) == 2
    assert "did you mean Teacher?" in capsys.readouterr().err
    assert main(["-c", "no_such.yml"]) == 2
    assert "cannot read the config no_such.yml" in capsys.readouterr().err


def test_what_training_would_refuse_in_the_data_is_found(
    data_overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["-c", str(CONFIGS / f"{SHIPPED[1]}.yml"), "-o", *data_overrides]
    assert main(asked) == 2  # its image is not there
    assert "Train: no line can be used" in capsys.readouterr().err
    (tmp_path / "labels.txt").write_text("a.png,1\n", encoding="utf-8")
    labels = f"Train.dataset.label_file_list=[{tmp_path}/labels.txt]"
    assert main([*asked, labels]) == 2
    assert "no lines in " in capsys.readouterr().err
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 64, 3), np.uint8))
    (tmp_path / "labels.txt").write_text("a.png\t1\nb.png\n", encoding="utf-8")
    both = [
        f"{part}.dataset.{key}"
        for part in ("Train", "Eval")
        for key in (f"data_dir={tmp_path}", f"label_file_list=[{tmp_path}/labels.txt]")
    ]
    assert main([*asked, *both]) == 0
    out = capsys.readouterr().out
    assert "Train: 1 lines kept, 1 dropped" in out and "1 malformed" in out


def test_stopping_it_is_one_line_and_the_status_of_the_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(config: Config) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("training.plan.read_plan", read)
    assert main(["-c", str(CONFIGS / "small.yml")]) == 143
    assert capsys.readouterr().err == "check_config: stopped\n"
