"""What is wrong with configs that PaddleOCR ships is named, line by line, with its remedy."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from runtime.errors import ConfigError
from tests.training.recognition.plans import config_of, multi_head, pair_of
from training.check_config import main as check_config
from training.config import Config, load_config
from training.plan import read_plan

PADDLEOCR = os.environ.get("DISTILREC_PADDLEOCR")
SVTR = {
    "name": "SVTRNet",
    "img_size": [48, 320],
    "out_char_num": 40,
    "patch_merging": "Conv",
    "embed_dim": [64, 128, 256],
    "depth": [3, 6, 3],
    "num_heads": [2, 4, 8],
    "mixer": ["Conv"] * 6 + ["Global"] * 6,
    "local_mixer": [[5, 5], [5, 5], [5, 5]],
    "last_stage": False,
    "prenorm": True,
}
STUDENT = {"Backbone": {"name": "PPLCNetV3", "scale": 0.95}}
PAIR = {"weight": 1.0, "model_name_pairs": [["Student", "Teacher"]], "key": "head_out"}
EACH = {"weight": 1.0, "model_name_list": ["Student"], "key": "head_out", "multi_head": True}
Write = Callable[[Config], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a config as a file, in a folder without any checkpoint."""
    monkeypatch.chdir(tmp_path)

    def write(config: Config) -> Path:
        file = tmp_path / "config.yml"
        file.write_text(yaml.safe_dump(config.sections, sort_keys=False), encoding="utf-8")
        return file

    return write


def found(file: Path, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Message of each problem by the text of the line that it names."""
    with pytest.raises(ConfigError) as error:
        read_plan(load_config(file, overrides))
    lines = file.read_text(encoding="utf-8").splitlines()
    messages = {}
    for problem in str(error.value).splitlines():
        match = re.fullmatch(rf"{re.escape(str(file))}:(\d+): (.*)", problem)
        assert match is not None, problem
        messages[lines[int(match[1]) - 1].strip()] = match[2]
    return messages


def distillation_of_v4() -> Config:
    """What keeps PP-OCRv4's distillation from running: five things."""
    teacher = {"Backbone": {**SVTR, "out_channels": 192}, "freeze_params": True}
    config = pair_of(STUDENT, teacher)
    config.sections["Loss"]["loss_config_list"].append({"DistillCTCLogits": PAIR})
    config.sections["Global"]["checkpoints"] = "./output/rec_dkd/latest"
    transforms = config.sections["Train"]["dataset"]["transforms"]
    config.sections["Train"]["dataset"]["transforms"] = [
        transforms[0],
        transforms[1],
        transforms[3],
    ]
    return config


def test_v4_s_distillation(write: Write) -> None:
    messages = found(write(distillation_of_v4()))
    assert list(messages) == [
        "checkpoints: ./output/rec_dkd/latest",
        "Head:",
        "out_channels: 192",
        "transforms:",
    ]
    checkpoint, sequence, channels, transforms = messages.values()
    assert "no checkpoint at ./output/rec_dkd/latest" in checkpoint
    assert checkpoint.endswith("to begin a new run take it out")
    assert sequence.startswith("Architecture.Models.Teacher.Head: SVTRNet leaves a sequence")
    assert "expected use_pool: true, or Backbone's last_stage: true" in sequence
    assert "expected that or nothing, got 192" in channels and "last 256 channels" in channels
    assert "expected RecResizeImg or SVTRRecResizeImg in the list, or a sampler" in transforms


def test_v4_s_distillation_as_mended(write: Write, tmp_path: Path) -> None:
    (tmp_path / "teacher.pdparams").write_bytes(b".")
    config = distillation_of_v4()
    del config.sections["Global"]["checkpoints"]
    teacher = config.sections["Architecture"]["Models"]["Teacher"]
    teacher |= {"Head": multi_head(use_pool=True), "pretrained": "teacher.pdparams"}
    teacher["Backbone"]["out_channels"] = 256
    data = config.sections["Train"]["dataset"]
    data["transforms"].insert(2, {"RecResizeImg": {"image_shape": [3, 48, 320]}})
    # Lines are as wide as they are, unless the loader says otherwise, and the Teacher reads one
    # width: 40 time steps.
    messages = found(write(config))
    assert list(messages) == ["loader:"]
    expected = [
        ("Train", "expected image_shape [3, 48, 320] and loader.width_step 0, got lines of"),
        ("Eval", "loader.width_step 0, loader.max_width 320, got lines of 48 x 32 px too"),
    ]
    with pytest.raises(ConfigError) as error:
        read_plan(config)
    for problem, (part, message) in zip(str(error.value).splitlines(), expected, strict=True):
        assert f"{part}.loader: Architecture.Models.Teacher.Backbone reads images" in problem
        assert message in problem
    fixed = ["Train.loader.width_step=0", "Eval.loader.width_step=0"]
    (message,) = found(write(config), fixed).values()
    assert "got lines of 48 x 3200 px too" in message
    read_plan(load_config(write(config), [*fixed, "Eval.loader.max_width=320"]))


def test_other_sizes_than_svtr_s(write: Write) -> None:
    svtr = {"Backbone": SVTR, "Head": multi_head(use_pool=True)}
    fixed = {"width_step": 0, "max_width": 320}
    read_plan(config_of({"": svtr}, **fixed))
    scales = [[320, 48], [640, 48]]
    (message,) = found(write(config_of({"": svtr}, scales=scales, **fixed))).values()
    assert "got lines of 48 x 640 px too" in message
    file = write(config_of({"": svtr}, **fixed))
    transforms = "Train.dataset.transforms.2.RecResizeImg"
    (message,) = found(file, [f"{transforms}.eval_mode=true"]).values()
    assert message.startswith("Train.loader: Architecture.Backbone reads images of 48 x 320 px")
    config = config_of({"": svtr}, scales=[[320, 48]], **fixed)
    config.sections["Train"]["dataset"] |= {"name": "MultiScaleDataSet", "ds_width": True}
    config.sections["Train"]["dataset"] |= {"data_dir": ".", "label_file_list": ["config.yml"]}
    del config.sections["Train"]["dataset"]["count"]
    (message,) = found(write(config)).values()
    assert "got lines of 48 x 48 px too" in message


def test_svtrv2_s_student(write: Write) -> None:
    teacher = {"Backbone": {"name": "SVTRv2", "use_pool": True}, "pretrained": "./output/v2/best"}
    config = pair_of({"Backbone": {"name": "repvit_svtr"}}, {**teacher, "freeze_params": True})
    messages = found(write(config))
    assert messages["name: repvit_svtr"].endswith("; did you mean RepSVTR?")
    assert "no checkpoint at ./output/v2/best" in messages["pretrained: ./output/v2/best"]


def test_sar_s_loss_before_another(write: Write) -> None:
    head = multi_head()
    head["head_list"] = [head["head_list"][0], {"SARHead": {"enc_dim": 16, "d_k": 16}}]
    config = pair_of({**STUDENT, "Head": head}, {**STUDENT, "Head": head})
    for part in ("Train", "Eval"):
        transforms = config.sections[part]["dataset"]["transforms"]
        transforms[1] = {"MultiLabelEncode": None}
        keys = ["image", "label_ctc", "label_sar", "length", "valid_ratio"]
        transforms[3] = {"KeepKeys": {"keep_keys": keys}}
    losses = config.sections["Loss"]["loss_config_list"]
    losses.append({"DistillationSARLoss": dict(EACH)})
    read_plan(config)
    losses.reverse()
    (message,) = found(write(config)).values()
    path = "Loss.loss_config_list.0.DistillationSARLoss.ignore_index"
    assert message.startswith(f"{path}: expected 38, the padding's class, got 92; set it, or put")
    losses[0]["DistillationSARLoss"]["ignore_index"] = 38
    read_plan(config)


def test_keys_without_effect_are_said_once(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of({"": {"Backbone": {"name": "PPLCNetV4", "model_size": "tiny"}}})
    unused = {"model_name": "a", "d2s_train_image_shape": [3, 48, 320], "debug": False}
    config.sections["Global"] |= unused
    config.sections["Architecture"]["algorithm"] = "SVTR_LCNet"
    config.sections["Train"]["loader"]["use_shared_memory"] = True
    config.sections["profiler_options"] = None
    file = write(config)
    assert check_config(["-c", str(file), "--no-data"]) == 0
    *said, last = capsys.readouterr().out.splitlines()
    assert last == f"{file}: nothing wrong found"
    keys = [*(f"Global.{key}" for key in unused), "Train.loader.use_shared_memory"]
    keys.append("profiler_options")
    for key in keys:
        (line,) = [line for line in said if f" {key}: has no effect here" in line]
        assert re.match(rf"{re.escape(str(file))}:\d+: ", line)
    assert len(said) == len(keys)


DIAGNOSES: dict[str, set[str]] = {
    "PP-OCRv4_mobile_rec_distillation.yml": {
        "Global.checkpoints",
        "Architecture.Models.Teacher.Backbone.out_channels",
        "Architecture.Models.Teacher.Head",
        "Train.dataset.transforms",
    },
    "ch_PP-OCRv4_rec_svtr_large.yml": {"Train.loader", "Eval.loader"},
    "latin_PP-OCRv5_mobile_rec.yml": {"Global.pretrained_model"},
    "ch_SVTRv2_rec_distillation.yml": {
        "Architecture.Models.Teacher.pretrained",
        "Architecture.Models.Student.pretrained",
    },
    "ch_SVTRv2_rec_gtc_distill.yml": {
        "Architecture.Models.Teacher.pretrained",
        "Architecture.Models.Student.pretrained",
        "Architecture.Models.Student.Backbone.name",
    },
}
"""Places of what is wrong in the files that PaddleOCR ships; the others are right."""


@pytest.mark.slow
@pytest.mark.skipif(PADDLEOCR is None, reason="DISTILREC_PADDLEOCR names no PaddleOCR checkout")
def test_every_recognition_config_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(str(PADDLEOCR)).resolve()
    folders = [*root.glob("configs/rec/PP-OCRv[3-6]"), root / "configs" / "rec" / "SVTRv2"]
    files = [file for folder in folders for file in folder.rglob("*.y*ml")]
    assert files
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("a.png\ta\n", encoding="utf-8")
    overrides = [f"{part}.dataset.data_dir=." for part in ("Train", "Eval")]
    overrides += [f"{part}.dataset.label_file_list=[labels.txt]" for part in ("Train", "Eval")]
    for file in files:
        dictionary = load_config(file).sections["Global"]["character_dict_path"]
        path = f"Global.character_dict_path={root / dictionary}"
        places: set[str] = set()
        try:
            read_plan(load_config(file, [*overrides, path]))
        except ConfigError as error:
            places = {line.split(": ")[1] for line in str(error).splitlines()}
        assert places == DIAGNOSES.get(file.name, set()), (file, places)
