"""Plans of the toy network on a fake TensorRT and a fake GPU; a real plan for the GPU's tests."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensorrt.library import TensorRtLibrary, load_tensorrt, require_driver
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.engines.tensors import ShapeRange
from runtime.errors import ArtifactError, EngineError
from runtime.recognition.best_path_session import BestPathSession
from runtime.recognition.model.default import default_model
from runtime.recognition.session import open_session
from tests.fakes.cuda import FakeCuda
from tests.fakes.tensorrt import VERSIONS, fake_tensorrt
from tests.fakes.toy_engine import PROFILES, build_plan

WIDTHS = (32, 64, 96, 160, 192, 320, 640)
Lines = list[NDArray[np.uint8]]


@dataclass
class Host:
    """A machine with a fake GPU and a fake TensorRT, and the toy model."""

    cuda: FakeCuda
    trt: Any
    onnx: Path
    folder: Path

    def plan(
        self,
        profiles: Sequence[ShapeRange] = PROFILES,
        flags: Sequence[str] = (),
        **changes: Any,
    ) -> Path:
        """A plan of the toy model with its sidecar; `changes` of the sidecar."""
        return build_plan(self.trt, self.onnx, self.folder / "toy.plan", profiles, flags, **changes)

    def opened(self, plan: Path | None = None, **options: Any) -> TensorRtPlan:
        """A plan, the usual one when None, opened on this machine."""
        library = TensorRtLibrary(self.trt, self.trt.__name__, self.trt.__version__)
        return TensorRtPlan(plan or self.plan(), cuda=self.cuda, library=library, **options)

    def session(
        self, plan: Path | None = None, use_graphs: bool = True, num_lanes: int = 1
    ) -> BestPathSession:
        """A session of a plan, the usual one when None."""
        engine = TensorRtEngine(self.opened(plan), use_graphs, num_lanes)
        try:
            return BestPathSession(engine)
        except ArtifactError:
            engine.close()
            raise

    def compare(
        self,
        session: BestPathSession,
        seed: int,
        rounds: int,
        widths: Sequence[int] = WIDTHS,
        reference: bool = True,
    ) -> None:
        """Read random batches, and make sure that onnxruntime reads the same in them."""
        rng = np.random.default_rng(seed)
        expected = open_session(self.onnx, device="cpu", threads=1) if reference else None
        for _ in range(rounds):
            width_px = int(rng.choice(widths))
            lines = random_lines(rng, int(rng.integers(1, 12)), width_px)
            classes, confidences = session.read(lines, width_px)
            assert classes.dtype == np.int64 and confidences.dtype == np.float32
            if expected is not None:
                wanted, wanted_confidences = expected.read(lines, width_px)
                np.testing.assert_array_equal(classes, wanted)
                np.testing.assert_allclose(confidences, wanted_confidences, rtol=1e-5)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let everything that looks for TensorRT and CUDA find this machine's."""
        monkeypatch.setitem(sys.modules, self.trt.__name__, self.trt)
        monkeypatch.setattr("runtime.engines.tensorrt.plan.open_cuda", lambda: self.cuda)


MakeHost = Callable[..., Host]


@pytest.fixture
def make_host(toy_path: Path, tmp_path: Path) -> Iterator[MakeHost]:
    """Makes a machine: version of TensorRT, then what `FakeCuda` takes.

    At the end of the test everything must have been given back.
    """
    hosts = []

    def make(version: str = "11.4", **options: Any) -> Host:
        cuda = FakeCuda(**options)
        hosts.append(Host(cuda, fake_tensorrt(version, cuda), toy_path, tmp_path))
        return hosts[-1]

    yield make
    for host in hosts:
        gc.collect()
        assert host.cuda.leaks == []
        assert list(host.trt._alive) == []


@pytest.fixture(params=list(VERSIONS))
def host(request: pytest.FixtureRequest, make_host: MakeHost) -> Host:
    """A machine for each version of TensorRT."""
    return make_host(request.param)


def random_lines(rng: np.random.Generator, count: int, width_px: int) -> Lines:
    """Lines of coloured blocks, at most `width_px` wide."""
    lines = []
    for _ in range(count):
        width = int(rng.integers(1, width_px + 1))
        blocks = rng.integers(0, 256, (1, -(-width // 8), 3), dtype=np.uint8)
        lines.append(np.repeat(np.repeat(blocks, 32, axis=0), 8, axis=1)[:, :width])
    return lines


@pytest.fixture
def lines_of() -> Callable[[np.random.Generator, int, int], Lines]:
    """`random_lines`."""
    return random_lines


class Pair(NamedTuple):
    """A plan and the model that it was built from."""

    plan: Path
    onnx: Path


@pytest.fixture(scope="session", params=["FP32", "FP16"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The exporter's own plan of the model that comes along."""
    pytest.importorskip("onnxruntime", reason="the engine is compared with it")
    if "DISTILREC_PLAN" in os.environ:
        return Pair(Path(os.environ["DISTILREC_PLAN"]), Path(os.environ["DISTILREC_ONNX"]))
    try:
        load_tensorrt()
        require_driver()
    except EngineError as error:
        pytest.skip(str(error))
    pytest.importorskip("onnx", reason="the plan is built from an ONNX file")
    from export.engine import BuildOptions, EngineRequest, build_engine

    plan = tmp_path_factory.mktemp("plan") / "student.plan"
    model = default_model()
    shapes = {"max": "x:8x3x32x640"}
    request_ = EngineRequest(
        model,
        plan,
        request.param == "FP16",
        shapes,
        [320],
        ["images"],
        tie_tolerance=0.01,
        options=BuildOptions(optimization_level=1),
    )
    build_engine(request_)
    return Pair(plan, model)
