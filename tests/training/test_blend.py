"""`training.blend` keeps what the start could read, and writes nothing that reads no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import CHARACTERS
from training.blend import Shared, blend, choose, main, table
from training.checkpoint.parameters import arrays_of, read_parameters, write_parameters
from training.config import load_config
from training.data.build import DataPart
from training.data.synthetic import SyntheticDataSet
from training.loop.evaluation import Evaluation
from training.run import Run, build_run

WriteConfig = Callable[..., Path]
BIAS = "Student.head.fc2.bias"


def shared(share: float, *figures: float) -> Shared:
    return Shared(share, figures, (100, 300))


START = shared(0, 0.8, 0.4)


def test_the_best_share_that_reads_no_file_worse_is_chosen() -> None:
    tried = [shared(0.2, 0.81, 0.5), shared(0.4, 0.8, 0.6), shared(0.6, 0.79, 0.7)]
    assert choose(START, tried) == tried[1]
    assert tried[1].mean == pytest.approx((0.8 + 3 * 0.6) / 4)


def test_where_every_share_loses_somewhere_the_best_of_all_is() -> None:
    tried = [shared(0.5, 0.79, 0.6), shared(1.0, 0.7, 0.7)]
    assert choose(START, tried) == tried[1]
    assert choose(START, [shared(0.5, 0.7, 0.41)]) is None


def test_weights_lie_on_the_line_between_the_two() -> None:
    start, trained = {"w": np.float32([0, 4])}, {"w": np.float32([1, 0])}
    np.testing.assert_array_equal(blend(start, trained, 0.25)["w"], np.float32([0.25, 3]))
    assert blend(start, trained, 1.0)["w"].dtype == np.float32


def test_table() -> None:
    assert table(["words.tsv", "b"], [START, shared(0.5, 1, 1)]).splitlines() == [
        "share  words.tsv        b      all",
        " 0.00     0.8000   0.4000   0.5000",
        " 0.50     1.0000   1.0000   1.0000",
    ]


@pytest.fixture
def checkpoints(write_config: WriteConfig, tmp_path: Path) -> list[str]:
    """START and TRAINED, as arguments; a bias is 0 in one and 1 in the other."""
    run = build_run(load_config(write_config("start")))
    arguments = []
    for option, value in (("--start", 0.0), ("--trained", 1.0)):
        arrays = arrays_of(run.model)
        arrays[BIAS] = np.full_like(arrays[BIAS], value)
        path = tmp_path / f"{option[2:]}.pdparams"
        write_parameters(path, arrays)
        arguments += [option, str(path)]
    return [*arguments, "--output", str(tmp_path / "blended")]


def share_of(run: Run) -> float:
    return float(run.model.state_dict()[BIAS].numpy()[0])


def test_the_command(
    write_config: WriteConfig,
    checkpoints: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def evaluate(run: Run, part: DataPart, loader: Any) -> Evaluation:
        share = share_of(run)
        return Evaluation({"acc": 0.5 + share * (0.75 - share)}, 4, ())

    monkeypatch.setattr("training.loop.evaluation.evaluate", evaluate)
    config = str(write_config())
    assert main(["-c", config, *checkpoints, "--shares", "0.25", "0.5", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[:5]] == ["share", "0.00", "0.25", "0.50", "1.00"]
    assert printed[-1] == f"{tmp_path / 'blended.pdparams'}: 0.25 of the trained weights"
    blended = read_parameters(tmp_path / "blended")
    np.testing.assert_allclose(blended[BIAS], 0.25)


def test_each_label_file_has_a_column(
    write_config: WriteConfig,
    checkpoints: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = SyntheticDataSet(tuple(CHARACTERS), count=5, seed=2, max_text_length=6)
    for index in range(5):
        image, text = source.line(index)[:2]
        cv2.imwrite(str(tmp_path / f"{index}.png"), image)
        with (tmp_path / ("words.tsv" if index < 2 else "lines.tsv")).open("a") as file:
            file.write(f"{index}.png\t{text}\n")
    files = [str(tmp_path / name) for name in ("words.tsv", "lines.tsv")]
    transforms = load_config(write_config()).sections["Eval"]["dataset"]["transforms"]
    data_set = {
        "name": "SimpleDataSet",
        "data_dir": str(tmp_path),
        "label_file_list": files,
        "transforms": transforms,
    }
    path = write_config("lines", {"Eval.dataset": data_set})
    assert main(["-c", str(path), *checkpoints]) == 1  # at random nothing is read
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == [
        "share",
        f"{tmp_path.name}/words.tsv",
        f"{tmp_path.name}/lines.tsv",
        "all",
    ]


def test_where_nothing_reads_more_nothing_is_written(
    write_config: WriteConfig,
    checkpoints: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def evaluate(run: Run, part: DataPart, loader: Any) -> Evaluation:
        return Evaluation({"acc": 1 - share_of(run)}, 4, ())

    monkeypatch.setattr("training.loop.evaluation.evaluate", evaluate)
    assert main(["-c", str(write_config()), *checkpoints]) == 1
    assert "no share reads more" in capsys.readouterr().err
    assert not (tmp_path / "blended.pdparams").exists()


def test_what_cannot_be_blended_is_said(
    write_config: WriteConfig, checkpoints: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write_config())
    same = [*checkpoints[:2], "--trained", checkpoints[1], *checkpoints[4:]]
    assert main(["-c", config, *same]) == 2
    assert "hold the same weights" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["-c", config, *checkpoints, "--shares", "1.5"])
    assert "expected a number above 0 and up to 1, got 1.5" in capsys.readouterr().err


def test_the_main_network_may_have_begun_from_one_alone(
    write_config: WriteConfig,
    checkpoints: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def evaluate(run: Run, part: DataPart, loader: Any) -> Evaluation:
        share = share_of(run)
        return Evaluation({"acc": 0.5 + share * (0.75 - share)}, 4, ())

    monkeypatch.setattr("training.loop.evaluation.evaluate", evaluate)
    whole = read_parameters(checkpoints[1])
    alone = {
        name.removeprefix("Student."): array
        for name, array in whole.items()
        if name.startswith("Student.")
    }
    write_parameters(tmp_path / "start.pdparams", alone)
    assert main(["-c", str(write_config()), *checkpoints, "--shares", "0.25"]) == 0
    blended, trained = read_parameters(tmp_path / "blended"), read_parameters(checkpoints[3])
    np.testing.assert_allclose(blended[BIAS], 0.25)
    teacher = [name for name in trained if name.startswith("Teacher.")]
    assert teacher and all((blended[name] == trained[name]).all() for name in teacher)
