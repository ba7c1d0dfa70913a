"""Who reads with weights of PaddleOCR's training is told what is done otherwise."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training.checkpoint.foreign import OWN, is_foreign, notes_of
from training.recognition.inputs import foreign_notes

PADDLEOCR = {"best_model_dict": {"acc": 0.9}, "epoch": 1, "global_step": 9}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (pickle.dumps(PADDLEOCR, 2), True),
        (pickle.dumps({**PADDLEOCR, OWN: "0"}, 2), False),
        (None, False),
        (b"no pickle", False),
    ],
    ids=["paddleocr", "own", "weights alone", "damaged"],
)
def test_the_states_tell_who_saved_a_checkpoint(
    tmp_path: Path, states: bytes | None, expected: bool
) -> None:
    if states is not None:
        (tmp_path / "best.pdparams.states").write_bytes(b"of another")
        (tmp_path / "best.states").write_bytes(states)
    assert is_foreign(tmp_path / "best") is expected
    assert is_foreign(str(tmp_path / "best.pdparams")) is expected


@pytest.mark.parametrize("step", [32, 0])
def test_widths_that_differ_are_said(tmp_path: Path, step: int) -> None:
    (tmp_path / "best.states").write_bytes(pickle.dumps(PADDLEOCR, 2))
    shape = {"image_shape": [3, 48, 320]}
    evaluation = SimpleNamespace(
        loader=SimpleNamespace(width_step=step),
        sampler=None,
        options_of=lambda name: shape if name == "RecResizeImg" else None,
    )
    plan: Any = SimpleNamespace(
        task=SimpleNamespace(foreign_notes=foreign_notes), evaluation=evaluation
    )
    notes = [*notes_of(plan, tmp_path / "best")]
    assert len(notes) == (1 if step else 0)
    assert not notes or ("padded to 320 px" in notes[0] and "width_step=0" in notes[0])
