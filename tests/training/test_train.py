"""The training command: what it prints, its exit status, and what it keeps quiet about."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training import train as command
from training.train import main, table

ROOT = Path(__file__).resolve().parents[2]
WriteConfig = Callable[..., Path]


def test_a_whole_run_as_a_process(write_config: WriteConfig) -> None:
    config = write_config("run", {"Global.epoch_num": 1, "Train.dataset.count": 4})
    done = subprocess.run(
        [sys.executable, "-m", "training.train", "-c", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = config.with_suffix("")
    *table_lines, where, evaluate, export, resume = done.stdout.splitlines()
    assert [line.split()[0] for line in table_lines[-4:]] == [
        *("acc", "norm_edit_dis", "Teacher_acc", "Teacher_norm_edit_dis")
    ]
    assert where.startswith(f"in {folder}: best_accuracy.pdparams")
    assert where.endswith("curves.png, worst.html")
    assert f"training.evaluate -c {config} -o Global.checkpoints={folder}/best_accuracy" in evaluate
    assert f"export -c {config} --checkpoint {folder}/best_accuracy --network Student" in export
    assert f"Global.checkpoints={folder}/latest Global.epoch_num=2" in resume
    assert "process settings: " in done.stderr and "Settings(" not in done.stderr
    assert "Train: 4 lines kept, 0 dropped" in done.stderr and "first batch: " in done.stderr
    # What paddle says at every start and nobody can act upon.
    assert "ccache" not in done.stderr and "If regularizer of a Parameter" not in done.stderr


def test_table() -> None:
    assert table({}, {"acc": 0.5}, {"acc": 0.75}).split() == [
        "last",
        "best",
        "acc",
        "0.5000",
        "0.7500",
    ]
    start = {"acc": 0.4, "Teacher_acc": 0.25}
    text = table(start, {"acc": 0.5, "Teacher_acc": 0.25}, {"acc": 0.75})
    assert [line.split() for line in text.splitlines()] == [
        ["before", "last", "best"],
        ["acc", "0.4000", "0.5000", "0.7500"],
        ["Teacher_acc", "0.2500", "0.2500", "nan"],
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["Global.epoch_nun=3"], "did you mean epoch_num"),
        (["Global.print_batch_step=0"], "at least 1"),
        (["Global.eval_batch_step=[0,0]"], "eval_batch_step"),
        (["Train.loader.batch_size_per_card=0"], "at least 1"),
        (["Global.checkpoints=/nowhere/latest"], "no checkpoint at /nowhere/latest"),
        (["Train.dataset.difficulty=3.0"], "difficulty"),
        (["images/"], "expected Section.key=value"),
    ],
)
def test_errors_are_one_line_and_status_2(
    overrides: list[str],
    message: str,
    write_config: WriteConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["-c", str(write_config()), "-o", *overrides]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err
    assert captured.err.strip().splitlines()[-1].startswith("train: ")


def test_stopping_by_hand_says_how_to_go_on(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(config: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "train", stop)
    config = write_config("run")
    assert main(["-c", str(config)]) == 130
    assert "stopped before anything was saved: start again" in capsys.readouterr().err
    folder = config.with_suffix("")
    folder.mkdir()
    (folder / "latest.pdparams").touch()
    assert main(["-c", str(config), "-o", "Global.seed=3"]) == 130
    more = f"-o Global.seed=3 Global.checkpoints={folder / 'latest'}"
    assert (
        f"resume with\n  python -m training.train -c {config} {more}\n" in capsys.readouterr().err
    )


PROGRAM = """
import sys, time
from training.command import run_command

def work(config, options):
    print("works", flush=True)
    time.sleep(60)

sys.exit(run_command("train", "", work, sys.argv[1:], interrupted=lambda config: "stopped"))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_one_line_though_paddle_has_handlers_of_its_own(
    number: signal.Signals, write_config: WriteConfig
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "-c", str(write_config())],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what runs behind it with Ctrl-C ignored, which would stay so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None and process.stdout.readline() == "works\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert [line for line in said.splitlines() if "process settings" not in line] == ["stopped"]


def test_a_disk_that_fills_up_ends_the_run_in_one_line(
    write_config: WriteConfig, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    config = write_config("run", {"Global.save_epoch_step": 1, "Train.dataset.count": 8})

    def run(most_bytes: int, *more: str) -> subprocess.CompletedProcess[str]:
        limit = (most_bytes, most_bytes)
        return subprocess.run(
            [sys.executable, "-m", "training.train", "-c", str(config), *more],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        )

    assert run(2**30, "-o", "Global.epoch_num=1").returncode == 0
    folder = tmp_path / "run"
    kept = {file.name: file.read_bytes() for file in folder.glob("latest.*")}
    assert len(kept) == 3
    smallest = min(len(kept[name]) for name in ("latest.pdparams", "latest.pdopt"))
    done = run(smallest // 2, "-o", f"Global.checkpoints={folder / 'latest'}")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("train: cannot write the checkpoint ") and "File too large" in last
    assert {file.name: file.read_bytes() for file in folder.glob("latest.*")} == kept
    assert not list(folder.glob("*.new")) and not list(folder.glob(".*"))
