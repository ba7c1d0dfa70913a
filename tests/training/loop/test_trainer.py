"""The training loop on two tiny networks: files, best model, resuming, and when it has to stop."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import CheckpointError, DatasetError, DivergenceError, ImageError
from tests.training.stopping import stopped_at
from training.checkpoint.parameters import arrays_of, read_parameters, write_parameters
from training.checkpoint.safe_pickle import dump_pickle, load_pickle
from training.checkpoint.saved import read_states
from training.config import load_config
from training.data.synthetic import SyntheticDataSet
from training.loop.evaluation import Evaluation
from training.loop.logs import read_metrics
from training.loop.parallel import Group
from training.loop.position import Position
from training.loop.resume import resume
from training.loop.trainer import Trainer
from training.losses import CombinedLoss
from training.run import build_run
from training.train import train

WriteConfig = Callable[..., Path]
SUFFIXES = (".pdparams", ".pdopt", ".states")


def build_trainer(config: Path) -> Trainer:
    run = build_run(load_config(config))
    return Trainer(run, run.data("Train"), run.data("Eval"), Position(), Group())


def flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    found: dict[str, Any] = {}
    for key, below in value.items():
        found |= flat(below, f"{name}/{key}")
    return found


def content(folder: Path, name: str) -> dict[str, Any]:
    """Everything in one checkpoint, the hash of its config apart."""
    found = {suffix: dict(load_pickle(folder / f"{name}{suffix}")) for suffix in SUFFIXES}
    del found[".states"]["config_sha256"]
    return flat(found)


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert sorted(first) == sorted(second)
    different = [name for name, array in first.items() if not np.array_equal(array, second[name])]
    assert different == []


def metrics(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [record for record in read_metrics(folder / "metrics.jsonl") if record["kind"] == kind]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Filled by the first test that trains to the end, so that others can compare with it."""
    return {}


STEPS = {"Global.eval_batch_step": [0, 2], "Global.log_smooth_window": 1}


@pytest.fixture
def whole_run(write_config: WriteConfig, whole: dict[str, Any]) -> Path:
    """Folder of a run of 2 epochs of 4 steps that was never interrupted."""
    if not whole:
        config = write_config("whole", STEPS)
        whole["figures"] = train(load_config(config))
        whole["folder"] = config.with_suffix("")
    return Path(whole["folder"])


def test_the_files_of_a_run(whole_run: Path) -> None:
    names = {f"{name}{suffix}" for name in ("latest", "best_accuracy") for suffix in SUFFIXES}
    names |= {f"iter_epoch_{epoch}{suffix}" for epoch in (1, 2) for suffix in SUFFIXES}
    others = {"metrics.jsonl", "curves.png", "worst.html"}
    assert {path.name for path in whole_run.iterdir()} == names | others
    assert (whole_run / "curves.png").read_bytes().startswith(b"\x89PNG")
    states = read_states(whole_run / "latest")
    assert (states["epoch"], states["step_in_epoch"], states["global_step"]) == (2, 0, 8)
    states = read_states(whole_run / "iter_epoch_1")
    assert (states["epoch"], states["step_in_epoch"], states["global_step"]) == (1, 0, 4)
    assert len(read_parameters(whole_run / "latest")) > 100


def test_what_is_logged(whole_run: Path, whole: dict[str, Any]) -> None:
    trained = metrics(whole_run, "train")
    assert [entry["step"] for entry in trained] == list(range(1, 9))
    assert [entry["epoch"] for entry in trained] == [1, 1, 1, 1, 2, 2, 2, 2]
    for record in trained:
        parts = record["loss_ctc_Student_0"] + record["loss_ctc_Teacher_1"] + record["dml_0"]
        assert record["loss"] == pytest.approx(parts, rel=1e-5)
        assert record["samples_per_s"] > 0 and 0 <= record["data_share"] <= 1
    assert trained[0]["lr"] == 0 and trained[2]["lr"] == pytest.approx(0.002)
    evaluated = metrics(whole_run, "eval")
    assert [(entry["step"], entry["epoch"]) for entry in evaluated] == [
        (2, 1),
        (4, 1),
        (6, 2),
        (8, 2),
    ]
    figures = {"acc", "norm_edit_dis", "Teacher_acc", "Teacher_norm_edit_dis"}
    assert figures <= set(evaluated[0]) and set(whole["figures"]["last"]) == figures
    assert whole["figures"]["images"] == 6


@pytest.mark.parametrize("last_step", [5, 7])
def test_resuming_gives_the_same_bits(
    last_step: int, whole_run: Path, write_config: WriteConfig
) -> None:
    # Saved at steps 2, 4 (end of an epoch), 6 and 8 (end of the run).
    config = write_config("cut", STEPS)
    with stopped_at(last_step):
        train(load_config(config))
    folder = config.with_suffix("")
    checkpoint = folder / "latest"
    states = read_states(checkpoint)
    stood = tuple(states[key] for key in ("epoch", "step_in_epoch", "global_step"))
    assert stood == {5: (1, 0, 4), 7: (1, 2, 6)}[last_step]
    train(load_config(config, [f"Global.checkpoints={checkpoint}"]))
    for name in ("latest", "best_accuracy", "iter_epoch_1", "iter_epoch_2"):
        assert_same(content(folder, name), content(whole_run, name))
    speed = {"samples_per_s", "data_share"}
    for kind in ("train", "eval"):
        left, right = (
            [
                {key: value for key, value in record.items() if key not in speed}
                for record in records
            ]
            for records in (metrics(folder, kind), metrics(whole_run, kind))
        )
        assert left == right


def test_a_finished_run_can_be_resumed(whole_run: Path, write_config: WriteConfig) -> None:
    before = content(whole_run, "latest")
    config = write_config("again", STEPS)
    figures = train(load_config(config, [f"Global.checkpoints={whole_run / 'latest'}"]))
    assert figures["last"].items() <= metrics(whole_run, "eval")[-1].items()
    assert_same(content(whole_run, "latest"), before)


def test_more_epochs_go_on_from_where_it_stood(whole_run: Path, write_config: WriteConfig) -> None:
    config = write_config("longer", {**STEPS, "Global.epoch_num": 3})
    train(load_config(config, [f"Global.checkpoints={whole_run / 'latest.pdparams'}"]))
    assert [record["step"] for record in metrics(config.with_suffix(""), "train")] == [
        9,
        10,
        11,
        12,
    ]


def test_an_epoch_that_became_shorter_is_over(whole_run: Path, write_config: WriteConfig) -> None:
    trainer = build_trainer(write_config("short", {"Train.loader.batch_size_per_card": 8}))
    trainer.position = Position(epoch=0, step_in_epoch=3, global_step=3)
    trainer.fit()
    assert [record["step"] for record in metrics(trainer.folder, "train")] == [4, 5]
    assert trainer.position == Position(2, 0, 5, trainer.position.best)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Optimizer": {"name": "Momentum", "lr": {"learning_rate": 0.1}}}, "velocity"),
        ({"Architecture.Models.Student.Head.mid_channels": 9}, "shapes differ"),
    ],
)
def test_a_checkpoint_of_another_config_is_refused(
    changes: dict[str, Any], message: str, whole_run: Path, write_config: WriteConfig
) -> None:
    trainer = build_trainer(write_config("other", changes))
    with pytest.raises(CheckpointError, match=message):
        resume(trainer, str(whole_run / "latest"))


def test_a_damaged_checkpoint_is_refused(
    whole_run: Path, write_config: WriteConfig, tmp_path: Path
) -> None:
    trainer = build_trainer(write_config())
    for suffix in SUFFIXES:
        shutil.copy(whole_run / f"latest{suffix}", tmp_path / f"old{suffix}")
    state = dict(load_pickle(tmp_path / "old.pdopt"))
    del state["LR_Scheduler"]["LinearWarmup_LR"]
    (tmp_path / "old.pdopt").write_bytes(dump_pickle(state))
    with pytest.raises(CheckpointError, match="learning-rate schedule"):
        resume(trainer, str(tmp_path / "old"))
    shutil.copy(whole_run / "latest.pdopt", tmp_path / "old.pdopt")
    (tmp_path / "old.states").write_bytes(dump_pickle({"global_step": 3}))
    with pytest.raises(CheckpointError, match="where the run stood"):
        resume(trainer, str(tmp_path / "old"))
    (tmp_path / "old.pdopt").unlink()
    with pytest.raises(CheckpointError, match=r"old\.pdopt"):
        resume(trainer, str(tmp_path / "old"))


def test_no_checkpoint_to_resume_from_is_named(write_config: WriteConfig, tmp_path: Path) -> None:
    trainer = build_trainer(write_config())
    with pytest.raises(CheckpointError, match=r"nowhere.*\.pdparams"):
        resume(trainer, str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("every", "steps"), [(3, [3, 6, 8]), ([0, 3], [3, 6, 8]), ([1, 3], [4, 7, 8]), (4, [4, 8])]
)
def test_forms_of_eval_batch_step(
    every: Any,
    steps: list[int],
    write_config: WriteConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluated = []

    def evaluate(run: Any, part: Any, loader: Any, *takers: Any) -> Evaluation:
        evaluated.append(trainer.position.global_step)
        return Evaluation({"acc": 0.0}, 6, ())

    monkeypatch.setattr("training.loop.trainer.evaluate", evaluate)
    monkeypatch.setattr(Trainer, "_step", lambda trainer, batch: {"loss": 1.0, "lr": 0.1})
    monkeypatch.setattr(Trainer, "_save", lambda trainer, name: None)
    trainer = build_trainer(write_config("run", {"Global.eval_batch_step": every}))
    trainer.fit()
    assert evaluated == steps


def test_the_main_network_chooses_the_best(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter(
        [
            {"acc": 0.25, "Teacher_acc": 0.9},
            {"acc": 0.5, "Teacher_acc": 0.1},
            {"acc": 0.25, "Teacher_acc": 1.0},
        ]
    )
    monkeypatch.setattr(
        "training.loop.trainer.evaluate", lambda *_: Evaluation(next(figures), 6, ())
    )
    config = write_config("run", {"Global.eval_batch_step": 3})
    result = train(load_config(config))
    assert result["best"] == {"acc": 0.5, "Teacher_acc": 0.1, "best_epoch": 2}
    folder = config.with_suffix("")
    assert read_states(folder / "best_accuracy")["global_step"] == 6
    assert read_states(folder / "latest")["best_model_dict"] == result["best"]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_loss_that_is_not_finite_stops_the_run(
    value: float, write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build_trainer(write_config("run", {"Global.eval_batch_step": 3}))
    forward = CombinedLoss.forward

    def diverge(loss: CombinedLoss, outputs: Any, batch: Any) -> dict[str, paddle.Tensor]:
        parts = forward(loss, outputs, batch)
        if trainer.position.global_step == 4 and trainer.run.model.training:
            parts["loss_ctc_Teacher_1"] = parts["loss_ctc_Teacher_1"] * value
            parts["loss"] = parts["loss"] * value
        return parts

    monkeypatch.setattr(CombinedLoss, "forward", diverge)
    with pytest.raises(DivergenceError) as error:
        trainer.fit()
    message = str(error.value)
    assert "step 5" in message and f"loss_ctc_Teacher_1 = {value}" in message
    assert "loss_ctc_Student_0" not in message and "Optimizer.lr" in message
    batch = trainer._plan(1)[0]
    assert all(f"synthetic line {index} of epoch 1" in message for index in batch)
    assert read_states(trainer.folder / "latest")["global_step"] == 4
    assert all(
        np.isfinite(array).all() for array in read_parameters(trainer.folder / "latest").values()
    )


def test_weights_that_are_not_finite_are_not_saved(write_config: WriteConfig) -> None:
    trainer = build_trainer(write_config())
    trainer._save("latest")
    before = content(trainer.folder, "latest")
    parameter = trainer.parameters[3]
    parameter.set_value(parameter * float("nan"))
    with pytest.raises(DivergenceError, match=r"is not finite at step 0"):
        trainer._save("latest")
    assert_same(content(trainer.folder, "latest"), before)


def test_the_trial_of_the_first_batch_leaves_no_trace(write_config: WriteConfig) -> None:
    trainer = build_trainer(write_config())
    before = arrays_of(trainer.run.model)
    trainer.run.model.train()
    trainer._try_first_batch()
    assert_same(arrays_of(trainer.run.model), before)
    assert trainer.run.model.training and trainer.run.model.networks["Student"].training
    assert all(parameter.grad is None for parameter in trainer.parameters)
    assert set(trainer.optimizer.state_dict()) <= {"LR_Scheduler"}
    assert not trainer.folder.exists()


def test_accuracy_while_training_when_asked(write_config: WriteConfig) -> None:
    changes = {"Global.cal_metric_during_train": True, "Global.epoch_num": 1}
    config = write_config("run", changes)
    train(load_config(config))
    for record in metrics(config.with_suffix(""), "train"):
        assert 0 <= record["acc"] <= 1 and 0 <= record["Teacher_norm_edit_dis"] <= 1


def test_a_frozen_teacher_stays_as_it_was(write_config: WriteConfig, tmp_path: Path) -> None:
    start = build_trainer(write_config("start"))
    teacher = arrays_of(start.run.model.networks["Teacher"])
    write_parameters(tmp_path / "teacher.pdparams", teacher)
    config = write_config(
        "frozen",
        {
            "Global.epoch_num": 1,
            "Global.seed": 77,
            "Architecture.Models.Teacher.freeze_params": True,
            "Architecture.Models.Teacher.pretrained": str(tmp_path / "teacher"),
            "Loss.loss_config_list.0.DistillationCTCLoss.model_name_list": ["Student"],
        },
    )
    train(load_config(config))
    after = read_parameters(config.with_suffix("") / "latest")
    assert_same({name: after[f"Teacher.{name}"] for name in teacher}, teacher)
    student = {name: after[f"Student.{name}"] for name in teacher}
    assert any(not np.array_equal(student[name], teacher[name]) for name in teacher)
    first, *_ = metrics(config.with_suffix(""), "train")
    assert first["dml_0"] > 0 and not any("ctc_Teacher" in name for name in first)


def test_one_network_alone(write_config: WriteConfig, single_network: dict[str, Any]) -> None:
    config = write_config("single", {**single_network, "Global.epoch_num": 1})
    figures = train(load_config(config))
    assert set(figures["last"]) == {"acc", "norm_edit_dis"}
    (record, *_) = metrics(config.with_suffix(""), "train")
    assert record["loss"] == pytest.approx(record["loss_ctc"])


def test_an_epoch_without_lines_is_refused(write_config: WriteConfig, tmp_path: Path) -> None:
    trainer = build_trainer(write_config())
    object.__setattr__(trainer.train_part.dataset, "usable", [])
    with pytest.raises(DatasetError, match="epoch 3 has no samples"):
        trainer._plan(2)


def test_lines_that_cannot_be_loaded_stop_the_run(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build_trainer(write_config())

    def fail(source: Any, index: int, epoch: int) -> Any:
        raise DatasetError("the disk is gone")

    monkeypatch.setattr(type(trainer.train_part.dataset.source), "read", fail)
    with pytest.raises(DatasetError, match=r"no sample could be loaded.*the disk is gone"):
        trainer.fit()


def unreadable(monkeypatch: pytest.MonkeyPatch, *broken: int) -> None:
    """Make lines of the training data unreadable from now on."""
    read = SyntheticDataSet.read

    def read_some(source: Any, index: int, epoch: int) -> Any:
        if source.count == 16 and index in broken:
            raise ImageError(f"line {index} is cut")
        return read(source, index, epoch)

    monkeypatch.setattr(SyntheticDataSet, "read", read_some)


def test_lines_that_others_stand_for_are_named_every_epoch(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = build_trainer(write_config("run", {"Global.max_unreadable_share": 0.2}))
    unreadable(monkeypatch, 3, 5)
    trainer.fit()
    said = [message for message in caplog.messages if "took their place" in message]
    assert [message.split(":")[0] for message in said] == ["epoch 1", "epoch 2"]
    assert all("2 of 16 images could not be read, e.g. sample" in message for message in said)
    assert "line 3 is cut" in said[0] and "line 5 is cut" in said[0]


def test_more_of_them_than_the_share_stop_the_run(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build_trainer(write_config("run", {"Global.max_unreadable_share": 0.2}))
    unreadable(monkeypatch, 3, 5, 7, 11)
    with pytest.raises(DatasetError, match=r"epoch 1: 4 of 16 images could not be read, .*20 %"):
        trainer.fit()


def test_a_resumed_run_goes_on_counting(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {"Global.max_unreadable_share": 0.2, "Global.eval_batch_step": 3}
    trainer = build_trainer(write_config("cut", changes))
    first, *_, last = trainer._plan(0)
    unreadable(monkeypatch, first[0], last[0])
    with stopped_at(4):
        trainer.fit()
    assert read_states(trainer.folder / "latest")["unreadable"]["count"] == 1
    again = build_trainer(write_config("cut", changes))
    resume(again, str(trainer.folder / "latest"))
    again.fit()
    told = "epoch 1: 2 of 16 images could not be read"
    assert any(message.startswith(told) for message in caplog.messages)


@pytest.mark.parametrize(
    "change", [{"epoch": -1}, {"epoch": 10**30}, {"global_step": "x"}, {"step_in_epoch": -3}]
)
def test_states_that_cannot_be_are_refused(
    change: dict[str, Any], whole_run: Path, write_config: WriteConfig, tmp_path: Path
) -> None:
    for suffix in SUFFIXES:
        shutil.copy(whole_run / f"latest{suffix}", tmp_path / f"odd{suffix}")
    states = dict(load_pickle(tmp_path / "odd.states")) | change
    (tmp_path / "odd.states").write_bytes(dump_pickle(states))
    with pytest.raises(CheckpointError, match="where the run stood"):
        resume(build_trainer(write_config()), str(tmp_path / "odd"))


def test_the_log_is_json_by_line(whole_run: Path) -> None:
    for line in (whole_run / "metrics.jsonl").read_text().splitlines():
        assert {"kind", "step", "epoch"} <= set(json.loads(line))
