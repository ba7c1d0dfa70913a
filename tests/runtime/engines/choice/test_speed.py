"""Speeds are measured once for a machine and a model, and kept for the user."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from runtime.engines.choice.speed import FOLDER_VARIABLE, speeds_of, speeds_path
from runtime.engines.choice.ways import Way
from runtime.engines.tensors import TensorInfo
from runtime.errors import EngineError

WAYS = (Way(Path("a.onnx")), Way(Path("a.onnx"), "openvino", "bf16"))


class Machine:
    """Opens engines that only count."""

    def __init__(self, broken: str = "") -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.broken, self.num_open, self.num_closed = broken, 0, 0

    def opened(self, way: Way):
        self.num_open += 1
        if way.engine == self.broken:
            raise EngineError("it is not installed")
        machine = self

        class Engine:
            inputs = (TensorInfo("x", "float32", ("N", 3, 48, "W")),)

            def run(self, tensors) -> dict[str, np.ndarray]:
                machine.shapes.append(tensors["x"].shape)
                return {}

            def close(self) -> None:
                machine.num_closed += 1

        return Engine()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_they_are_measured_once(folder: Path) -> None:
    machine = Machine()
    first = speeds_of("0" * 64, WAYS, machine.opened)
    assert set(first) == set(WAYS) and min(first.values()) > 0
    assert set(machine.shapes) == {(1, 3, 48, 320)}
    assert machine.num_open == machine.num_closed == 2
    assert speeds_of("0" * 64, WAYS, machine.opened) == first
    assert machine.num_open == 2
    speeds_of("1" * 64, WAYS, machine.opened)
    assert machine.num_open == 4
    assert len(json.loads((folder / "speeds.json").read_text())["measured"]) == 2


def test_a_further_way_is_measured_and_nothing_is_forgotten() -> None:
    machine = Machine()
    speeds_of("0" * 64, WAYS, machine.opened)
    further = (WAYS[0], Way(Path("b.onnx"), "openvino", "int8"))
    assert set(speeds_of("0" * 64, further, machine.opened)) == set(further)
    assert machine.num_open == 4
    assert set(speeds_of("0" * 64, (*WAYS, further[1]), machine.opened)) == {*WAYS, further[1]}
    assert machine.num_open == 4


def test_what_cannot_be_opened_is_left_out_and_not_kept(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(broken="openvino")
    assert list(speeds_of("0" * 64, WAYS, machine.opened)) == [WAYS[0]]
    assert "is left out: it is not installed" in caplog.text
    assert not (folder / "speeds.json").exists() and machine.num_closed == 1


def test_a_folder_that_refuses_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    assert len(speeds_of("0" * 64, WAYS, Machine().opened)) == 2
    assert f"let {FOLDER_VARIABLE} name a folder that can" in caplog.text


def test_where_they_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert speeds_path() == Path("/caches/distilrec/speeds.json")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert speeds_path() == Path("/home/somebody/.cache/distilrec/speeds.json")
