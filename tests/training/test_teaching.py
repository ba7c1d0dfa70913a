"""The config that docs/teaching.md goes through is right, trains, and goes on in its bits."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.fakes.foreign_model import STRIDE_PX, write_foreign_model
from tests.training.stopping import stopped_at
from training.check_config import main as check_config
from training.checkpoint.parameters import networks_in, read_parameters
from training.config import Config, load_config
from training.loop.logs import read_metrics
from training.train import train

pytest.importorskip("onnxruntime", reason="teachers run in it")

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "teaching.yml"
TEXTS = ("abc", "bad", "cab", "deaf", "face", "bead", "jig", "hide")
SHORT = {
    "Global.epoch_num": 2,
    "Global.eval_batch_step": "[0,2]",
    "Global.save_epoch_step": 1,
    "Global.print_batch_step": 1,
    "Train.loader.batch_size_per_card": 8,
    "Train.loader.num_workers": 0,
    "Eval.loader.num_workers": 0,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the config expects, and the process in it."""
    (tmp_path / "configs").mkdir()
    dictionary = ROOT / "configs" / "latin_dict.txt"
    (tmp_path / "configs" / dictionary.name).write_bytes(dictionary.read_bytes())
    characters = "\n".join("abcdefghij")
    write_foreign_model(
        tmp_path / "teacher_rec.onnx", num_classes=11, metadata={"character": characters}
    )
    data = tmp_path / "train_data"
    data.mkdir()
    rng = np.random.default_rng(3)
    rows = []
    for number, text in enumerate(TEXTS):
        blocks = rng.integers(0, 256, (1, len(text) + 1, 3), dtype=np.uint8)
        line = np.repeat(np.repeat(blocks, 32, axis=0), 2 * STRIDE_PX, axis=1)
        cv2.imwrite(str(data / f"{number}.png"), line)
        rows.append(f"{number}.png\t{text}\n")
    (data / "labels.tsv").write_text("".join(rows), encoding="utf-8")
    (data / "val.tsv").write_text("".join(rows[:4]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def short(**changes: object) -> Config:
    values = {**SHORT, **{path.replace("__", "."): value for path, value in changes.items()}}
    return load_config(CONFIG, [f"{path}={value}" for path, value in values.items()])


def test_nothing_is_wrong_with_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_config(["-c", str(CONFIG)]) == 0
    said = capsys.readouterr().out
    assert said.endswith(f"{CONFIG}: nothing wrong found\n")
    assert "has no effect" not in said


def test_two_steps_and_a_run_that_was_stopped_end_in_the_same_bits(folder: Path) -> None:
    figures = train(short(Global__save_model_dir="whole"))
    assert "acc" in figures["last"]
    records = [record for record in read_metrics(folder / "whole/metrics.jsonl") if "lr" in record]
    assert len(records) == 2
    for record in records:
        assert all(math.isfinite(record[name]) for name in record if "loss" in name)
        assert {"teacher_ctc_0", "spike_kl_0"} <= record.keys()
    with stopped_at(2):
        train(short(Global__save_model_dir="cut"))
    train(short(Global__save_model_dir="cut", Global__checkpoints="cut/latest"))
    left, right = (read_parameters(folder / name / "latest") for name in ("whole", "cut"))
    assert set(networks_in(left)) == {"Student"}
    assert [name for name in left if not np.array_equal(left[name], right[name])] == []
