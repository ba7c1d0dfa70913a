"""What was measured holds for the same version, GPU and file, and for nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.engines import conv_search
from runtime.engines.conv_search import (
    SEARCH_VARIABLE,
    MeasuredSearch,
    chosen_search,
    keep_search,
    search_path,
)
from runtime.errors import ArtifactError
from runtime.files import sha256_of_file


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(SEARCH_VARIABLE, raising=False)
    monkeypatch.setattr(conv_search, "gpu_name", lambda device_id: f"GPU {device_id}")
    path = tmp_path / "student.onnx"
    path.write_bytes(b"a model")
    return path


def measured(model: Path, search: str = "DEFAULT") -> MeasuredSearch:
    seconds = {"DEFAULT": 1.0, "HEURISTIC": 2.0}
    return MeasuredSearch(search, "1.31.1", "GPU 0", sha256_of_file(model), "20 lines", seconds)


def test_what_was_measured_is_used_where_it_was(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen_search(model, "1.31.1", 0) == "HEURISTIC"
    assert keep_search(model, measured(model)) == search_path(model)
    assert chosen_search(model, "1.31.1", 0) == "DEFAULT"
    assert chosen_search(model, "1.32.0", 0) == "HEURISTIC"
    assert chosen_search(model, "1.31.1", 1) == "HEURISTIC"
    monkeypatch.setenv(SEARCH_VARIABLE, "EXHAUSTIVE")
    assert chosen_search(model, "1.31.1", 0) == "EXHAUSTIVE"
    monkeypatch.delenv(SEARCH_VARIABLE)
    model.write_bytes(b"another model")
    assert chosen_search(model, "1.31.1", 0) == "HEURISTIC"


def test_a_new_measurement_takes_the_place_of_the_old(model: Path) -> None:
    keep_search(model, measured(model))
    keep_search(model, replace(measured(model), gpu="GPU 1"))
    keep_search(model, measured(model, "EXHAUSTIVE"))
    assert chosen_search(model, "1.31.1", 0) == "EXHAUSTIVE"
    assert chosen_search(model, "1.31.1", 1) == "DEFAULT"
    for number in range(100):
        keep_search(model, replace(measured(model), gpu=f"GPU {number + 10}"))
    kept = json.loads(search_path(model).read_text())["measured"]
    assert len(kept) == 64 and kept[0]["gpu"] == "GPU 109"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"measured": 7}',
        b'{"measured": [7]}',
        b'{"measured": [{"search": "rm -rf"}]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_left_out_and_replaced(
    model: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    search_path(model).write_bytes(content)
    assert chosen_search(model, "1.31.1", 0) == "HEURISTIC"
    assert "cannot be read and is left out" in caplog.text
    keep_search(model, measured(model))
    assert chosen_search(model, "1.31.1", 0) == "DEFAULT"


def test_another_search_is_no_measurement(model: Path) -> None:
    with pytest.raises(ArtifactError, match="search: expected 'HEURISTIC' or"):
        measured(model, "FASTEST")
