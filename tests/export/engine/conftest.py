"""A machine with a fake library and a fake GPU, on which engines are built in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from export.engine import BuildOptions, EngineRequest, build_engine
from export.engine.build import Built, build_plan
from runtime.engines.tensorrt.library import TensorRtLibrary
from runtime.engines.tensors import Profile
from tests.fakes.cuda import FakeCuda
from tests.fakes.tensorrt import VERSIONS, fake_tensorrt
from tests.runtime.conftest import toy_spec, write_toy_model

SHAPES = {"min": "x:1x3x32x32", "opt": "x:4x3x32x96", "max": "x:8x3x32x320"}


class Host:
    """A machine with a fake library and GPU, a toy model and crops."""

    def __init__(self, trt: Any, folder: Path) -> None:
        self.trt, self.cuda, self.folder = trt, trt._cuda, folder
        self.library = TensorRtLibrary(trt, trt.__name__, trt.__version__)
        self.plan = folder / "out" / "toy.plan"
        self.request = EngineRequest(
            onnx_path=write_toy_model(folder / "toy.onnx", spec=toy_spec()),
            plan_path=self.plan,
            shapes=SHAPES,
            images=[write_crops(folder / "crops")],
            rebuild_command="python -m export build …",
        )

    def build(self, changes: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Build with changed request and options, in this process."""
        request = replace(self.request, options=BuildOptions(**options), **(changes or {}))
        return build_engine(request, self._build)

    def _build(
        self, graph: bytes, name: str, profiles: Sequence[Profile], options: BuildOptions
    ) -> Built:
        return build_plan(self.library, graph, name, profiles, options, self.cuda)


def write_crops(folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number, width in enumerate((40, 90, 90, 200, 310)):
        blocks = rng.integers(0, 256, (1, -(-width // 12), 3), dtype=np.uint8)
        line = np.repeat(np.repeat(blocks, 32, axis=0), 12, axis=1)[:, :width]
        cv2.imwrite(str(folder / f"{number}.png"), line)
    return folder


MakeHost = Callable[[str], Host]


@pytest.fixture
def make_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeHost:
    """Makes a machine of a version of TensorRT."""

    def make(version: str) -> Host:
        trt = fake_tensorrt(version, FakeCuda())
        monkeypatch.setitem(sys.modules, trt.__name__, trt)
        monkeypatch.setattr("runtime.engines.tensorrt.plan.open_cuda", lambda: trt._cuda)
        return Host(trt, tmp_path)

    return make


@pytest.fixture(params=list(VERSIONS))
def host(request: pytest.FixtureRequest, make_host: MakeHost) -> Host:
    """A machine for each version of TensorRT."""
    return make_host(request.param)
