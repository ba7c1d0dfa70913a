"""Results of every kind in a folder, and a browser to look at the page with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.measuring.result import measure, save_result
from tests.benchmarks.conftest import failure, speed

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def _cell(batch: int, width_px: int) -> dict[str, Any]:
    times = {"p50": 1.0 * batch, "p90": 1.1 * batch, "p95": 1.2 * batch, "p99": 2.0 * batch}
    return {
        **{"batch": batch, "width_px": width_px, "first_ms": 9.0, "runs": 30},
        **{"engine": times, "end_to_end": {name: 1.5 * ms for name, ms in times.items()}},
    }


def _form(title: str, worst: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    row = {
        **{"lines": 40, "exact": 30, "any_case": 31, "letters_and_digits": 33},
        **{"character_errors": 0.021, "unread": 0, "exact_interval": [0.6, 0.86]},
    }
    bins = [
        {"low": i / 10, "high": (i + 1) / 10, "lines": 4 * i, "confidence": i / 10, "exact": i / 12}
        for i in range(10)
    ]
    calibration = {"bins": bins, "expected_error": 0.041, "at_90_percent": 0.77}
    form = {"title": title, "packs": {"images": row, "rendered": row, "all": row}}
    return {**form, "calibration": calibration, "as_the_first": 40, **({"worst": worst or []})}


@pytest.fixture
def results(make_result: Any, tmp_path: Path) -> Path:
    """A folder with a result of each benchmark, pictures, and a file that is none."""
    folder = tmp_path / "results"
    (folder / "accuracy_worst").mkdir(parents=True)
    cv2.imwrite(str(folder / "accuracy_worst" / "01.png"), np.full((30, 200, 3), 90, np.uint8))
    line = {"label": "<b>&amp; 5", "text": "<b>& S", "confidence": 0.5, "errors": 5}
    worst = [
        {**line, "picture": "accuracy_worst/01.png"},
        {**line, "label": "x" * 200, "picture": None},
    ]
    lines = {"number": 40, "sha256": "bb", "name": "lines.tsv"}
    model = {"name": "student_with_quite_a_long_name.onnx", "sha256": "aa"}
    stages = [
        measure(f"stages / {stage} / a line", "ms", "lower", [1, 2])
        for stage in ("decode", "resize", "normalise", "network", "ctc", "output")
    ]
    kept = {
        "accuracy": make_result(
            benchmark="accuracy",
            inputs={"lines": {"images": lines, "rendered": lines}, "models": {"a.onnx": model}},
            details={"forms": {"a.onnx": _form("FP32", worst), "b.onnx": _form("FP16")}},
        ),
        "throughput": make_result(
            benchmark="throughput",
            inputs={"model": model, "lines": lines},
            measures=(
                speed(90, 100, 110),
                speed(40, 50, 60, name="reading / rapidocr / speed"),
                measure("reading / ours / right", "lines", "higher", [39], True),
                measure("reading / ours / peak memory", "MiB", "lower", [100]),
                measure("threads / 1 / speed", "lines/s", "higher", [55]),
                measure("cold start / ours / one image", "s", "lower", [0.4]),
                *stages,
            ),
            details={"references": {"reading": "rapidocr"}},
            remarks=("this machine was busy",),
        ),
        "latency": make_result(
            settings={"rounds": 3, "threads": 2},
            failures=(failure("cuda-fp32"), failure("rtx-fp16"), failure("cpu-fp16", False)),
            details={
                "titles": {"cpu-fp32": "onnxruntime, CPU, FP32"},
                "backends": {
                    "cpu-fp32": {
                        "description": "onnxruntime 1",
                        "cold_s": {"import": 0.3, "open": 0.1},
                        "cells": [_cell(n, w) for n in (1, 4, 16) for w in (64, 160, 320, 640)],
                    }
                },
            },
        ),
        "training": make_result(
            benchmark="training",
            measures=(
                measure("training step / ours / speed", "images/s", "higher", [20, 22]),
                measure("training step / paddle / speed", "images/s", "higher", [4, 5]),
            ),
            details={"references": {"training step": "paddle"}},
        ),
        "something_new": make_result(benchmark="something_new"),
    }
    for name, result in kept.items():
        save_result(folder / f"{name}.json", result)
    (folder / "broken.json").write_text("{", encoding="utf-8")
    return folder


# For one module only: while it lasts an event loop runs in this thread, which others may not find.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium of this system, or the one that came with playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="it drives the browser")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    with api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"no browser here: {str(error).splitlines()[0]}; apt-get install chromium")
        yield opened
        opened.close()
