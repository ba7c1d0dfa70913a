"""A plan of the toy network on a fake machine that the command finds."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.fakes.cuda import FakeCuda
from tests.fakes.tensorrt import fake_tensorrt
from tests.fakes.toy_engine import build_plan
from tests.runtime.conftest import toy_spec, write_toy_model


class Machine(NamedTuple):
    """A fake GPU, a fake TensorRT, and a plan."""

    cuda: FakeCuda
    trt: Any
    plan: Path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    pytest.importorskip("onnxruntime", reason="the fake engine runs on it")
    cuda = FakeCuda(devices=2)
    trt = fake_tensorrt("11.4", cuda)
    model = write_toy_model(tmp_path / "toy.onnx", spec=toy_spec())
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setattr("runtime.engines.tensorrt.plan.open_cuda", lambda: cuda)
    yield Machine(cuda, trt, build_plan(trt, model, tmp_path / "toy.plan"))
    gc.collect()
    assert cuda.leaks == [] and list(trt._alive) == []
