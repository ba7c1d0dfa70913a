"""A pytest plugin that lets the GPU's tests find a fake machine: `-p tests.fakes.machine`.

The environment variable DISTILREC_FAKE_TENSORRT names the version, 11.4 by default.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

import pytest

import export.engine.build
import export.engine.chain
import runtime.engines.cuda
import runtime.engines.tensorrt.library
import runtime.engines.tensorrt.plan
from export.engine.options import BuildOptions
from runtime.engines.cuda import Cuda
from runtime.engines.tensorrt.library import load_tensorrt
from runtime.engines.tensors import Profile
from tests.fakes.cuda import FakeCuda
from tests.fakes.tensorrt import fake_tensorrt

VERSION_VARIABLE = "DISTILREC_FAKE_TENSORRT"
_MEMORY_BYTES = 2**40


class Machine:
    """Two GPUs and a TensorRT of some version; engines are built in this process."""

    def __init__(self, version: str) -> None:
        self.cuda = FakeCuda(devices=2, memory_bytes=_MEMORY_BYTES)
        self.trt = fake_tensorrt(version, self.cuda)

    def install(self) -> None:
        """Let everything that looks for TensorRT and CUDA find this machine's, for good."""
        for name in ("tensorrt", "tensorrt_rtx"):
            sys.modules[name] = self.trt if name == self.trt.__name__ else None  # type: ignore[assignment]
        for module in (
            export.engine.build,
            runtime.engines.cuda,
            runtime.engines.tensorrt.library,
            runtime.engines.tensorrt.plan,
        ):
            vars(module)["open_cuda"] = self._open
        export.engine.chain.build_engine.__defaults__ = (self._build,)

    def _open(self, provider: str | None = None) -> Cuda:
        return self.cuda

    def _build(
        self, graph: bytes, name: str, profiles: Sequence[Profile], options: BuildOptions
    ) -> export.engine.build.Built:
        library = load_tensorrt(options.backend)
        return export.engine.build.build_plan(library, graph, name, profiles, options, self.cuda)


MACHINE = Machine(os.environ.get(VERSION_VARIABLE, "11.4"))
MACHINE.install()


@pytest.fixture(autouse=True)
def selected_gpu() -> Iterator[None]:
    """The first GPU is the test's own."""
    MACHINE.cuda.select_device(0)
    yield
