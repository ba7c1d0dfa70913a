"""Inference engines behind one Protocol: named tensors in, named tensors out.

Which engine opens a model file follows from its suffix, on the CPU from device, precision and what
is proven beside it. What the tensors mean is the affair of the tasks' sessions, which stand on top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from runtime.engines.choice.ways import ASKED as PRECISIONS
from runtime.engines.choice.ways import BF16, FP32, OPENVINO, Way
from runtime.engines.tensors import Array, Fill, Filled, Part, Profile, Shapes, Sizes, TensorInfo
from runtime.errors import ArtifactError, EngineError

DEVICES = ("auto", "cpu", "openvino", "cuda", "tensorrt")
"""The CPU in onnxruntime or in OpenVINO, a GPU in onnxruntime or in TensorRT."""
_ON_CPU = ("cpu", "openvino")

_ONNX_SUFFIXES = (".onnx",)
ENGINE_SUFFIXES = (".plan", ".engine")


@runtime_checkable
class Engine(Protocol):
    """A loaded network, ready to run. Several threads may use it at once."""

    @property
    def path(self) -> Path:
        """The model file, for messages."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What it is fed; the first dimension of each is N."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What it emits."""

    @property
    def profiles(self) -> Sequence[Profile]:
        """Shapes that it takes, in one or another range; empty where nothing limits them."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the model file says of itself."""

    @property
    def description(self) -> str:
        """Engine, version, device and threads obtained, for logs and reports."""

    @property
    def is_on_cpu(self) -> bool:
        """Whether the network runs on the CPU."""

    @property
    def num_lanes(self) -> int:
        """How many calls at once keep its device busy; more are allowed."""

    @property
    def samples_at_once(self) -> int | None:
        """More samples in one call than this gain nothing; None where more are always better."""

    def parts(self, count: int, sizes: Mapping[str, Sizes]) -> list[Part]:
        """Divide samples of one size into what runs at once.

        Args:
            count: of the samples.
            sizes: of every input for one sample, without N.

        Raises:
            EngineError: if it takes no samples of these sizes.
        """

    def run(self, tensors: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """Run the network.

        Args:
            tensors: every input by its name, in the dtype that `inputs` tells.
            outputs: names of the outputs wanted; all when empty.

        Returns:
            the outputs by name, in the engine's dtypes; the caller's own.

        Raises:
            EngineError: if the engine refuses the inputs, fails, or is closed.
        """

    def run_filled(self, shapes: Shapes, fill: Fill) -> dict[str, Array]:
        """Run the network on inputs that are written where the engine reads them.

        A GPU's are page-locked, so that what is written is copied once and by the device.

        Args:
            shapes: of every input by its name.
            fill: writes them.

        Returns, Raises:
            as `run`, all outputs.
        """

    def run_parts(self, parts: Sequence[Filled]) -> list[dict[str, Array]]:
        """Run the network on the parts of one call, in order.

        A GPU is given all of them before any is waited for, as far as page-locked memory goes.

        Args:
            parts: of each the shapes of every input, and what writes them.

        Returns, Raises:
            as `run_filled`, for each.
        """

    def close(self) -> None:
        """Let go of the network once what runs has ended; running it then is an `EngineError`."""


def open_engine(
    model_path: str | Path,
    device: str = "auto",
    threads: int | None = None,
    device_id: int = 0,
    shared: bool = False,
    precision: str = "auto",
) -> Engine:
    """Open a model file with the engine that suffix, device and precision ask for.

    Args:
        model_path: an ONNX file, or a TensorRT plan (.plan, .engine) with its sidecar beside it.
        device: `auto` takes the GPU when the engine has it, else the CPU, and logs why; `cpu`;
            `openvino`, that engine on the CPU; `cuda`; `tensorrt`. A plan runs on a GPU and in
            TensorRT only.
        threads: of the CPU; as many as this process may use when None.
        device_id: number of the GPU, from 0.
        shared: whether several threads will use it at once. On the CPU a call then computes with
            one thread, and `threads` calls at once with all.
        precision: on the CPU: `fp32`; `bf16`, in OpenVINO; `int8`, the 8-bit form, in the faster
            engine; `auto`: as the file is, unless something faster is proven beside it for this
            kind of CPU (`python -m export prove-cpu`). It is logged what was taken and why.

    Raises:
        ArtifactError: if the model is missing or damaged.
        EngineError: if the engine is not installed, or the device asked for is not to be had.
    """
    path = Path(model_path)
    if device not in DEVICES:
        raise EngineError(f"unknown device {device!r}: expected one of {', '.join(DEVICES)}")
    if precision not in PRECISIONS:
        raise EngineError(
            f"unknown precision {precision!r}: expected one of {', '.join(PRECISIONS)}"
        )
    if threads is not None and threads < 1:
        raise EngineError(f"impossible number of threads: expected at least 1, got {threads}")
    suffix = path.suffix.lower()
    if suffix not in (*_ONNX_SUFFIXES, *ENGINE_SUFFIXES):
        raise ArtifactError(
            f"{path}: unknown kind of model: expected a file ending in .onnx, .plan or .engine"
        )
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise ArtifactError(
            f"cannot open the model {path}: {what}; give an ONNX file or a TensorRT plan"
        )
    if suffix in ENGINE_SUFFIXES:
        if device in _ON_CPU:
            raise EngineError(
                f"{path}: a TensorRT engine runs on a GPU only: expected device auto or cuda, got "
                f"{device}; give the .onnx file that it was built from"
            )
        if precision != "auto":
            raise EngineError(
                f"{path}: a TensorRT engine has the precision it was built with: expected "
                f"precision auto, got {precision}; leave it out"
            )
        from runtime.engines.tensorrt.engine import TensorRtEngine
        from runtime.engines.tensorrt.plan import TensorRtPlan

        return TensorRtEngine(TensorRtPlan(path, device_id=device_id))
    if device == "tensorrt":
        raise EngineError(
            f"{path}: TensorRT runs plans: expected a .plan or .engine file, got an ONNX file; "
            f"build one: python -m export build --onnx {path} --saveEngine PLAN"
        )

    from runtime.engines.onnxruntime import OnnxRuntimeEngine, has_cuda

    if device == "cuda":
        if precision not in ("auto", FP32):
            raise EngineError(
                f"{path}: precision {precision} is one of CPUs: expected device auto, cpu or "
                "openvino, got cuda; for FP16 on a GPU build an engine: python -m export build"
            )
        return OnnxRuntimeEngine(path, device, threads, device_id, shared)
    from runtime.engines.choice.choose import chosen_way

    if device == "auto" and precision in ("auto", FP32) and has_cuda():
        return OnnxRuntimeEngine(path, device, threads, device_id, shared)
    way = chosen_way(path, device, precision, lambda tried: open_way(tried, "cpu", 1, True))
    return open_way(way, "auto" if device == "auto" else "cpu", threads, shared)


def open_way(way: Way, device: str, threads: int | None, shared: bool) -> Engine:
    """Open a model on the CPU in a way that was chosen.

    Args:
        way: file, engine, precision.
        device: `cpu`, or `auto` where it is told why there is no GPU.
        threads, shared: as `open_engine`.

    Raises:
        ArtifactError, EngineError: as `open_engine`.
    """
    if way.engine == OPENVINO:
        from runtime.engines.openvino import OpenVinoEngine

        floats = BF16 if way.precision == BF16 else FP32  # what is not 8-bit of an 8-bit form
        return OpenVinoEngine(way.path, floats, threads, shared)
    from runtime.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(way.path, device, threads, shared=shared)
