"""Evaluation reads every line as it will be served, and `training.evaluate` tells of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import DatasetError
from training.checkpoint.parameters import (
    arrays_of,
    parameters_sha256,
    read_parameters,
    write_parameters,
)
from training.config import load_config
from training.data.loader import Loader
from training.data.sample import Failure
from training.evaluate import evaluate_checkpoint, main, table
from training.loop.evaluation import evaluate
from training.run import build_run

WriteConfig = Callable[..., Path]


@pytest.fixture
def weights(write_config: WriteConfig, tmp_path: Path) -> Path:
    """A checkpoint of the tiny run, weights at random."""
    run = build_run(load_config(write_config("start")))
    path = tmp_path / "start" / "best_accuracy.pdparams"
    write_parameters(path, arrays_of(run.model))
    return path


def test_the_batch_does_not_change_the_figures(write_config: WriteConfig) -> None:
    figures = []
    for size in (1, 6):
        changes = {"Eval.loader.batch_size_per_card": size, "Eval.dataset.count": 9}
        run = build_run(load_config(write_config(f"by{size}", changes)))
        part = run.data("Eval")
        with Loader(part.dataset, 0) as loader:
            outcome = evaluate(run, part, loader)
        assert outcome.num_samples == 9 and outcome.failures == ()
        figures.append(outcome.figures)
    assert set(figures[0]) == {"acc", "norm_edit_dis", "Teacher_acc", "Teacher_norm_edit_dis"}
    assert figures[0] == pytest.approx(figures[1], abs=1e-9)


def test_it_agrees_with_counting_by_hand(write_config: WriteConfig) -> None:
    run = build_run(load_config(write_config()))
    part = run.data("Eval")
    texts = [part.dataset.load(index, 0).text for index in range(6)]  # type: ignore[union-attr]
    decode = run.post_process.plain

    def claim(outputs: Any, labels: Any) -> dict[str, Any]:
        """The student reads all, the teacher errs in the first line."""
        truth = decode.decode_labels(labels)
        wrong = [("x", 1.0) if text == texts[0] else (text, score) for text, score in truth]
        return {"Student": (truth, truth), "Teacher": (wrong, truth)}

    object.__setattr__(run, "post_process", claim)
    with Loader(part.dataset, 0) as loader:
        figures = evaluate(run, part, loader).figures
    assert figures["acc"] == pytest.approx(1, abs=1e-4)
    assert figures["Teacher_acc"] == pytest.approx(1 - texts.count(texts[0]) / 6, abs=1e-4)
    assert figures["Teacher_norm_edit_dis"] < figures["norm_edit_dis"]


def test_lines_that_cannot_be_read_are_reported(
    write_config: WriteConfig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = build_run(load_config(write_config("few", {"Global.max_unreadable_share": 0.4})))
    part = run.data("Eval")
    load = type(part.dataset).load

    def load_some(dataset: Any, index: int, epoch: int, size: Any = None) -> Any:
        if index in broken:
            return Failure(f"line {index}", f"line {index} is cut")
        return load(dataset, index, epoch, size)

    monkeypatch.setattr(type(part.dataset), "load", load_some)
    broken = {2, 4}
    with Loader(part.dataset, 0) as loader:
        outcome = evaluate(run, part, loader)
        assert outcome.num_samples == 4
        assert [failure.name for failure in outcome.failures] == ["line 2", "line 4"]
        told = "evaluation: 2 of 6 images could not be read, e.g. line 2 is cut; line 4 is cut"
        assert f"{told}; they count in no figure" in caplog.messages
        broken = {0, 2, 4}
        with pytest.raises(DatasetError, match=r"3 of 6 images could not be read.*at most 40 %"):
            evaluate(run, part, loader)
        broken = set(range(6))
        with pytest.raises(DatasetError, match=r"no sample of 6 could be evaluated, e\.g\. line 0"):
            evaluate(run, part, loader)
    assert run.model.training


def test_the_command(
    write_config: WriteConfig, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Its training data is not there, and need not be.
    changes = {
        "Train.dataset": {
            "name": "SimpleDataSet",
            "data_dir": "/nowhere",
            "label_file_list": ["/nowhere/train.txt"],
            "transforms": load_config(write_config("t")).sections["Train"]["dataset"]["transforms"],
        }
    }
    config = write_config("run", changes)
    output = tmp_path / "figures.json"
    arguments = ["-c", str(config), "-o", f"Global.checkpoints={weights.parent}"]
    assert main([*arguments, "--output", str(output)]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    result = json.loads(output.read_text())
    assert main([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {**printed, "seconds": 0} == {**result, "seconds": 0}
    assert set(result["networks"]) == {"Student", "Teacher"}
    assert result["images"] == 6 and result["failures"] == []
    assert result["checkpoint"] == str(weights)
    assert result["weights_sha256"] == parameters_sha256(read_parameters(weights))
    assert header.split() == ["network", "acc", "norm_edit_dis", "images", "failures"]
    assert [row.split()[0] for row in rows] == ["Student", "Teacher"]
    assert rows[0].split()[3:] == ["6", "0"]
    again = evaluate_checkpoint(load_config(config, [f"Global.pretrained_model={weights}"]))
    assert again["networks"] == result["networks"]


def test_one_network_alone(
    write_config: WriteConfig, single_network: dict[str, Any], tmp_path: Path
) -> None:
    config = write_config("single", single_network)
    run = build_run(load_config(config))
    write_parameters(tmp_path / "one.pdparams", arrays_of(run.model))
    result = evaluate_checkpoint(load_config(config, [f"Global.checkpoints={tmp_path / 'one'}"]))
    assert set(result["networks"]) == {"network"}
    assert "network" in table(result).splitlines()[1]


@pytest.mark.parametrize("case", ["none", "missing", "unfit", "typo", "no data"])
def test_errors_are_one_line_and_status_2(
    case: str,
    write_config: WriteConfig,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options: Mapping[str, tuple[list[str], str]] = {
        "none": ([], "expected Global.checkpoints or Global.pretrained_model"),
        "missing": (["Global.checkpoints=/nowhere/best"], "no checkpoint at /nowhere/best"),
        "unfit": (
            [f"Global.checkpoints={weights}", "Architecture.Models.Teacher.Neck.hidden_size=9"],
            "shapes differ",
        ),
        "typo": ([f"Global.chekpoints={weights}"], "did you mean checkpoints"),
        "no data": (
            [f"Global.checkpoints={weights}", "Eval.dataset.name=SimpleDataSet"],
            "data_dir",
        ),
    }
    overrides, message = options[case]
    arguments = ["-c", str(write_config()), *(["-o", *overrides] if overrides else [])]
    capsys.readouterr()
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err and "Traceback" not in captured.err
