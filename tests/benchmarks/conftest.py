"""A tiny model that reads something, labelled lines for it, and a result of every benchmark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.measuring import machine
from benchmarks.measuring.result import Failure, Measure, Result, measure
from tests.runtime.conftest import toy_spec, write_toy_model

MACHINE = {"cpu": "a processor", "cpus_available": 2, "cpus": 4, "gpus": [], "memory_gib": 8.0}


@pytest.fixture(autouse=True)
def machine_that_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare every result half a second of looking at what other processes do."""
    monkeypatch.setattr(machine, "busy_cpus", lambda: 0.0)


@pytest.fixture(scope="session")
def toy_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy network in a file that several tests share."""
    return write_toy_model(tmp_path_factory.mktemp("toy") / "toy.onnx", spec=toy_spec())


@pytest.fixture(scope="session")
def labelled_lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A label file of twelve lines of coloured blocks."""
    folder = tmp_path_factory.mktemp("blocks")
    rng = np.random.default_rng(5)
    rows = []
    for number in range(12):
        blocks = rng.integers(0, 256, (1, 2 + number, 3), dtype=np.uint8)
        image = np.repeat(np.repeat(blocks, 40, axis=0), 20, axis=1)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        rows.append(f"{number}.png\tabc{number}\n")
    labels = folder / "blocks.tsv"
    labels.write_text("".join(rows), encoding="utf-8")
    return labels


MakeResult = Callable[..., Result]


@pytest.fixture
def make_result() -> MakeResult:
    """A result of the benchmark `latency` with one measure; `changes` as `Result`'s fields."""

    def make(**changes: Any) -> Result:
        fields: dict[str, Any] = {
            "benchmark": "latency",
            "title": "a title",
            "command": ("python", "-m", "benchmarks.latency"),
            "inputs": {"model": {"sha256": "aa", "name": "a.onnx"}},
            "settings": {"threads": 2},
            "measures": (speed(100.0, 101.0, 102.0),),
            "time": "2026-01-02T03:04:05+00:00",
            "machine": MACHINE,
            "revision": {"commit": "c" * 40, "is_modified": False},
            "versions": {"numpy": "2"},
        }
        return Result(**{**fields, **changes})

    return make


def speed(*samples: float, name: str = "reading / ours / speed", exact: bool = False) -> Measure:
    """A rate, the more the better."""
    return measure(name, "lines/s", "higher", samples, exact)


def failure(what: str = "cuda-fp32", is_absent: bool = True) -> Failure:
    """Something without a figure."""
    return Failure(what, f"no {what} here", is_absent, ("the last", "of its words"))
