"""What a resumed run says of data that are no longer those of its checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.config import load_config
from training.loop.fingerprint import changes
from training.loop.parallel import Group
from training.loop.position import Position
from training.loop.resume import resume
from training.loop.trainer import Trainer
from training.run import build_run

WriteConfig = Callable[..., Path]
NOW = {
    "the training samples": {"hash": "a", "count": 25},
    "the evaluation samples": {"hash": "b", "count": 6},
    "the order of the training samples": {"hash": "c", "count": 4},
}


def test_what_changed_is_said_with_its_consequence() -> None:
    saved = {
        "the training samples": {"hash": "x", "count": 20},
        "the evaluation samples": {"hash": "y", "count": 6},
        "the order of the training samples": {"hash": "z", "count": 4},
    }
    first, second, third = changes(saved, NOW)
    assert first == "the training samples changed since the checkpoint: 20 then, 25 now"
    assert "measured on others" in second
    assert "may repeat some samples" in third and "4 batches an epoch then, 4 " in third


def test_a_teacher_is_known_by_its_bytes() -> None:
    now = {"the teacher Teacher": {"hash": "a", "count": 30}}
    (change,) = changes({"the teacher Teacher": {"hash": "b", "count": 20}}, now)
    assert change == "the teacher Teacher changed since the checkpoint: 20 bytes then, 30 now"


@pytest.mark.parametrize("saved", [None, 3, {}, {"the training samples": "x"}, NOW])
def test_nothing_is_said_where_nothing_is_known_or_new(saved: Any) -> None:
    assert changes(saved, NOW) == []


def trainer(config: Path) -> Trainer:
    run = build_run(load_config(config))
    return Trainer(run, run.data("Train"), run.data("Eval"), Position(), Group())


def test_a_resumed_run_says_it(write_config: WriteConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    first = trainer(write_config())
    first._save("latest")
    checkpoint = str(first.folder / "latest")
    resume(trainer(write_config("same")), checkpoint)
    assert "changed since the checkpoint" not in caplog.text
    resume(trainer(write_config("other", {"Train.dataset.count": 20})), checkpoint)
    said = [message for message in caplog.messages if "changed since the checkpoint" in message]
    assert said[0].startswith("the training samples changed") and "16 then, 20 now" in said[0]
    assert len(said) == 2 and said[1].startswith("the order of the training samples changed")
