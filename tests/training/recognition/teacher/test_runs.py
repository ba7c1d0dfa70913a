"""A Student taught by an ONNX file: trained, resumed to the bit, evaluated, refused where wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from export.conversion.strip import strip
from runtime.errors import ConfigError
from runtime.images.read import read_image
from tests.training.recognition.teacher.taught import DML, LEARNS, PAIRS, config_of_taught
from tests.training.stopping import stopped_at
from training.check_config import main as check_config
from training.checkpoint.parameters import networks_in, read_parameters
from training.checkpoint.safe_pickle import load_pickle
from training.config import load_config
from training.data.loader import Loader
from training.data.sample import Sample
from training.distillation.teacher.cache import FILE_NAME
from training.loop.logs import read_metrics
from training.plan import read_deployed_plan, read_plan
from training.recognition.teacher.line_teacher import LineTeacher
from training.run import build_run
from training.train import train

pytest.importorskip("onnxruntime", reason="teachers run in it")

WriteConfig = Callable[..., Path]
NAMES = ("loss_ctc_Student_0", "teacher_ctc_0", "spike_kl_0", "guided_ctc_0", "kl_div_0", "dml_0")


def weights_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for suffix in (".pdparams", ".pdopt"):
        found |= {
            f"{name}{suffix}": value
            for name, value in load_pickle(folder / f"latest{suffix}").items()
            if isinstance(value, np.ndarray)
        }
    return found


def steps(folder: Path) -> list[dict[str, Any]]:
    return [record for record in read_metrics(folder / "metrics.jsonl") if "lr" in record]


@pytest.fixture
def taught(tmp_path: Path, write_config: WriteConfig) -> Callable[..., Path]:
    def write(name: str = "run", **options: Any) -> Path:
        return config_of_taught(tmp_path, write_config, name, **options)

    return write


def problems(config: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        read_plan(load_config(config, overrides))
    return str(error.value)


def test_a_run_and_one_that_was_stopped_end_in_the_same_bits(taught: Callable[..., Path]) -> None:
    whole, cut = taught("whole"), taught("cut")
    train(load_config(whole))
    folder = whole.with_suffix("")
    for record in steps(folder):
        parts = [record[name] for name in NAMES]
        assert all(map(math.isfinite, parts)) and parts[1] > 0
        assert record["loss"] == pytest.approx(sum(parts), rel=1e-5)
    saved = read_parameters(folder / "latest")
    assert set(networks_in(saved)) == {"Student"}

    # Stopped in its second epoch, and resumed without anything that was kept.
    with stopped_at(3):
        train(load_config(cut))
    (whole.parent / "cache" / FILE_NAME).unlink()
    checkpoint = cut.with_suffix("") / "latest"
    train(load_config(cut, [f"Global.checkpoints={checkpoint}"]))
    left, right = weights_of(folder), weights_of(cut.with_suffix(""))
    assert left.keys() == right.keys()
    assert [name for name in left if not np.array_equal(left[name], right[name])] == []


def test_workers_read_what_the_training_process_reads(taught: Callable[..., Path]) -> None:
    run = build_run(load_config(taught()))
    part = run.data("Train")
    planned = part.batching.fitted_to(run.main_network).plan(0)
    inline = part.dataset.load_batch(planned[0], 0)
    with Loader(part.dataset, 1) as loader:
        (loaded, *_) = loader.load(planned[:1], 0)
    for first, second in zip(inline, loaded, strict=True):
        left, right = first.readings["Teacher"], second.readings["Teacher"]
        assert left.texts == right.texts and left.texts[0].text
        assert np.array_equal(left.probabilities, right.probabilities)


def test_it_reads_an_image_once_in_all_epochs(
    taught: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    ask = LineTeacher._ask

    def count(teacher: LineTeacher, image: Any) -> Any:
        asked.append(image.shape)
        return ask(teacher, image)

    monkeypatch.setattr(LineTeacher, "_ask", count)
    train(load_config(taught()))
    assert len(asked) == 10


def test_joined_lines_have_joined_readings(taught: Callable[..., Path]) -> None:
    transforms = [
        {"DecodeImage": None},
        {"RecConAug": {"prob": 1.0, "image_shape": [32, 320, 3], "max_text_length": 6}},
        {"CTCLabelEncode": None},
        {"RecResizeImg": {"image_shape": [3, 32, 96]}},
        {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
    ]
    run = build_run(load_config(taught(Train__dataset__transforms=transforms)))
    dataset = run.data("Train").dataset
    sample = dataset.load(0, 0)
    assert isinstance(sample, Sample) and len(sample.text) == 6
    reading = sample.readings["Teacher"]
    (teacher,) = run.plan.train.teachers
    (first,) = teacher.read([read_image(dataset.source.read(0, 0).image)])
    assert reading.text.startswith(first.text) and len(reading.text) > len(first.text)
    assert reading.line_steps > first.line_steps
    assert len(reading.classes) >= reading.line_steps


def test_a_teacher_can_be_scored_beside_the_student(taught: Callable[..., Path]) -> None:
    changes: dict[str, Any] = {"PostProcess__model_name": ["Student", "Teacher"]}
    config = taught(**changes, Global__cal_metric_during_train=True, Global__epoch_num=1)
    figures = train(load_config(config))
    assert {"acc", "Teacher_acc"} <= set(figures["last"])


def test_a_teacher_that_no_loss_names_reads_nothing(
    taught: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes: dict[str, Any] = {"Loss__loss_config_list": [{"DistillationCTCLoss": LEARNS}]}
    config = taught(**changes, PostProcess__model_name=["Student", "Teacher"])
    monkeypatch.setattr(LineTeacher, "_ask", None)
    plan = read_plan(load_config(config))
    assert plan.train.teachers == () and len(plan.evaluation.teachers) == 1
    config = taught(**changes)
    assert read_plan(load_config(config)).evaluation.teachers == ()
    assert check_config(["-c", str(config)]) == 0
    assert "Teacher reads nothing: no loss names it" in capsys.readouterr().out


def test_check_config_says_what_its_characters_are(
    taught: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_config(["-c", str(taught())]) == 0
    said = capsys.readouterr().out
    assert "Teacher reads 14 characters: 11 are the run's" in said
    assert "3 have no counterpart (n m z)" in said
    assert "of the run's 12 characters Teacher never reads 1 (l)" in said


def test_another_file_or_dictionary_is_said_when_resuming(
    taught: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    config = taught(Global__epoch_num=1)
    train(load_config(config))
    checkpoint = config.with_suffix("") / "latest"
    model = config.parent / "teacher.onnx"
    model.write_bytes(model.read_bytes() + b"\x12\x02me")  # a producer's name more
    train(load_config(config, [f"Global.checkpoints={checkpoint}", "Global.epoch_num=2"]))
    assert "the teacher Teacher changed since the checkpoint" in caplog.text


WRONG = [
    ({"onnx": "nowhere.onnx"}, {}, ".onnx: cannot open the model nowhere.onnx"),
    ({"onnx": "labels.txt"}, {}, ".onnx: expected a file ending in .onnx, got 'labels.txt'"),
    ({"freeze_params": False}, {}, ".freeze_params: an ONNX file cannot learn: expected true"),
    ({"cache_mib": -1}, {}, ".cache_mib: expected 0 to"),
    ({"cache_dir": 3}, {}, ".cache_dir: expected a folder, got 3"),
    ({"pretrained": "x"}, {}, ".pretrained: unknown key of a network that is an ONNX file"),
    ({"blank": "middle"}, {}, ".blank: expected"),
    ({"character_dict_path": "nowhere.txt"}, {}, ".onnx: cannot read the dictionary nowhere.txt"),
    (
        {},
        {"DistillationCTCLoss": {**LEARNS, "model_name_list": ["Student", "Teacher"]}},
        "model_name_list: Teacher is an ONNX file, which learns no labels",
    ),
    (
        {},
        {"DistillationDMLLoss": {**PAIRS, "model_name_pairs": [["Teacher", "Student"]]}},
        "model_name_pairs: Teacher is an ONNX file, which learns nothing: expected it second",
    ),
    (
        {},
        {"DistillationDistanceLoss": {**PAIRS, "key": "backbone_out"}},
        "key: Teacher is an ONNX file, which gives head_out alone: got backbone_out",
    ),
    (
        {},
        {"DistillationKLDivLoss": {**PAIRS, "multi_head": True, "dis_head": "gtc"}},
        "dis_head: Teacher is an ONNX file, which gives ctc alone: got gtc",
    ),
]


@pytest.mark.parametrize(("section", "loss", "message"), WRONG, ids=lambda given: str(given)[:40])
def test_what_is_wrong_is_named(
    taught: Callable[..., Path], section: dict[str, Any], loss: dict[str, Any], message: str
) -> None:
    losses = [{"DistillationCTCLoss": LEARNS}, DML, *([loss] if loss else [])]
    assert message in problems(taught(teacher=section, Loss__loss_config_list=losses))


def test_time_steps_that_lie_elsewhere_are_found(taught: Callable[..., Path]) -> None:
    backbone = {
        "name": "MobileNetV1Enhance",
        "scale": 0.125,
        "last_pool_type": "avg",
        "last_pool_kernel_size": [2, 1],
    }
    changes: dict[str, Any] = {"Architecture__Models__Student__Backbone": backbone}
    said = problems(taught(**changes))
    found = "Student and Teacher differ in time steps: expected 8 to a line's height"
    assert said.count(found) == 2  # KLDiv and DML
    assert "DistillationDMLLoss.model_name_pairs" in said and "got 16 at" in said
    rest = [{"DistillationCTCLoss": LEARNS}, {"DistillationGuidedCTCLoss": PAIRS}]
    read_plan(load_config(taught(**changes, Loss__loss_config_list=rest)))


def test_a_loss_of_readings_needs_an_onnx_file(taught: Callable[..., Path]) -> None:
    config = taught()
    sections = yaml.safe_load(config.read_text(encoding="utf-8"))
    models = sections["Architecture"]["Models"]
    models["Teacher"] = dict(models["Student"])
    config.write_text(yaml.safe_dump(sections), encoding="utf-8")
    said = problems(config)
    message = "expected a network with onnx second, got Teacher"
    for loss in ("DistillationTeacherCTCLoss", "DistillationSpikeKLLoss"):
        assert f"{loss} takes what an ONNX file reads: {message}" in said


def test_a_config_of_teachers_alone_trains_nothing(taught: Callable[..., Path]) -> None:
    config = taught()
    sections = yaml.safe_load(config.read_text(encoding="utf-8"))
    del sections["Architecture"]["Models"]["Student"]
    config.write_text(yaml.safe_dump(sections), encoding="utf-8")
    assert "every network is frozen: nothing would train" in problems(config)


def test_the_student_is_exported_and_the_teacher_is_not(taught: Callable[..., Path]) -> None:
    config = taught(Global__epoch_num=1)
    train(load_config(config))
    plan = read_deployed_plan(load_config(config))
    checkpoint = config.with_suffix("") / "latest"
    assert strip(plan, checkpoint, "Student").name == "Student"
    with pytest.raises(ConfigError, match=r"Teacher is the ONNX file .*expected one of Student"):
        strip(plan, checkpoint, "Teacher")
