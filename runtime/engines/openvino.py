"""ONNX models in OpenVINO, on the CPU: the package, its settings, requests that threads share.

One network with open sizes serves every input. A network of its own for each width is 5 to 25 %
faster, but takes 0.2 to 1.1 s to compile and some 40 MB, while a new width costs the open one 20
to 60 ms once and 3 MB; so no line waits for a compiler, and inputs keep the widths that the model
was trained with. What was prepared for sizes seen before is kept within a bound.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from runtime.cpu import available_cpus
from runtime.engines.choice.ways import BF16, FP32
from runtime.engines.denormals import without_denormals
from runtime.engines.onnx_weights import check_files, metadata_of, weights_of
from runtime.engines.tensors import (
    Array,
    Fill,
    Filled,
    Part,
    Profile,
    Shapes,
    Sizes,
    TensorInfo,
    filled,
)
from runtime.errors import ArtifactError, EngineError
from runtime.files import short_name

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "DISTILREC_OPENVINO_CACHE"
"""Environment variable that names a folder in which compiled networks are kept; none without."""
_HINTS = {FP32: "f32", BF16: "bf16"}
_BF16_FLAG = "BF16"
_MOST_KERNELS = 5000
"""Kernels kept in each stream, for sizes that come again: those of some 50 sizes."""
_REASON_LENGTH = 300


class OpenVinoEngine:
    """An ONNX model in OpenVINO on the CPU, an `Engine`.

    Args:
        path: an ONNX file that exists.
        precision: what floating point is computed in, `fp32` or `bf16`; 8-bit nodes stay 8-bit.
        threads: of the CPU; as many as this process may use when None.
        shared: whether several threads will use it at once: each call then computes with one
            thread.

    Raises:
        ArtifactError: if OpenVINO cannot read the file, or its weights lie elsewhere.
        EngineError: if OpenVINO is not installed, or this CPU has not the precision.
    """

    is_on_cpu = True

    def __init__(
        self, path: Path, precision: str = FP32, threads: int | None = None, shared: bool = False
    ) -> None:
        self.path = path
        self.profiles: Sequence[Profile] = ()
        threads = available_cpus() if threads is None else threads
        self.num_lanes = threads if shared else 1
        openvino = _import_openvino()
        weights = weights_of(path)
        check_files(path, weights)
        core = _core_of(openvino)
        if precision == BF16 and _BF16_FLAG not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise EngineError(
                f"{path}: bf16 is not to be had: expected a CPU with AVX512-BF16 or AMX, got none; "
                "read with precision fp32 or int8"
            )
        settings = _settings(precision, threads, self.num_lanes)
        mended = None if weights.files else without_denormals(path)
        try:
            network = core.read_model(mended or str(path))
            self._compiled: Any = core.compile_model(network, "CPU", settings)
        except Exception as error:  # OpenVINO's errors have no base class of their own
            raise ArtifactError(
                f"cannot open the model {path} in OpenVINO: {_reason_of(error)}; read it in "
                "onnxruntime (--device cpu), or export or copy it again"
            ) from error
        self._idle: list[Any] = []
        self._building = Lock()
        self.inputs = tuple(map(_info, network.inputs))
        self.outputs = tuple(map(_info, network.outputs))
        self.metadata: Mapping[str, str] = metadata_of(path)
        fixed_batch = self.inputs[0].sizes[0] if self.inputs and self.inputs[0].sizes else None
        # As in onnxruntime every sample runs alone, so that not a bit depends on its neighbours.
        self.samples_at_once: int | None = fixed_batch or 1
        version = str(openvino.__version__).partition("-")[0]
        on_threads = f"{threads} thread{'s' if threads > 1 else ''}"
        self.description = f"openvino {version}, CPU, {precision}, {on_threads}"
        logger.info("%s: %s", short_name(path), self.description)

    def parts(self, count: int, sizes: Mapping[str, Sizes]) -> list[Part]:
        """Divide samples by the model's own N, else one by one."""
        batch = self.samples_at_once or 1
        return [Part(start, min(batch, count - start), batch) for start in range(0, count, batch)]

    def run(self, tensors: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """Run the network; see `Engine.run`."""
        compiled = self._compiled  # another thread may close it meanwhile
        if compiled is None:
            raise EngineError(f"{self.path}: the network is closed; open the model again")
        names = list(outputs) or [output.name for output in self.outputs]
        places = {output.name: place for place, output in enumerate(self.outputs)}
        try:
            request = self._request(compiled)
            fed = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
            request.infer(fed, share_inputs=True)
            emitted = {
                name: np.array(request.get_output_tensor(places[name]).data) for name in names
            }
        except Exception as error:  # OpenVINO's errors have no base class of their own
            told = ", ".join(str(list(array.shape)) for array in tensors.values())
            raise EngineError(
                f"{self.path}: OpenVINO failed on an input of {told}: {_reason_of(error)}"
            ) from error
        if self._compiled is not None:
            self._idle.append(request)
        return emitted

    def _request(self, compiled: Any) -> Any:
        """Take a request that nobody uses, or make one: as many as there are threads in here."""
        try:
            return self._idle.pop()
        except IndexError:
            # The first request of each stream builds its graph. Once, where threads came at the
            # same time, a build failed with "Unsupported data type" (OpenVINO 2026.4).
            with self._building:
                return compiled.create_infer_request()

    def run_filled(self, shapes: Shapes, fill: Fill) -> dict[str, Array]:
        """Run the network; see `Engine.run_filled`."""
        return self.run(filled(shapes, self.inputs, fill))

    def run_parts(self, parts: Sequence[Filled]) -> list[dict[str, Array]]:
        """Run the network on one part after the other; see `Engine.run_parts`."""
        return [self.run_filled(shapes, fill) for shapes, fill in parts]

    def close(self) -> None:
        """Let go of the network."""
        self._compiled = None
        self._idle.clear()


def _import_openvino() -> Any:
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise EngineError(
            f"OpenVINO cannot be imported ({_reason_of(error)}): pip install "
            "'distilrec[openvino]', or read in onnxruntime (--device cpu)"
        ) from error


@cache
def _core_of(openvino: Any) -> Any:
    """Return the one core of this process, which is never given up.

    Its CPU plugin gives the calling thread an alternate signal stack and unmaps it when it is
    given up. Where two were, or another thread gave it up, the next Ctrl-C is a segmentation fault
    (OpenVINO 2026.4).
    """
    return openvino.Core()


def _settings(precision: str, threads: int, streams: int) -> dict[str, Any]:
    """Return what the CPU plug-in is told; nothing that matters is left to it."""
    settings: dict[str, Any] = {
        # By itself it takes bf16 wherever the CPU has it.
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        # Threads that are bound to cores take turns on one where others are bound to it too.
        "ENABLE_CPU_PINNING": False,
        # Weights hold none any more. Setting it would make NumPy in this thread lose its own.
        "CPU_DENORMALS_OPTIMIZATION": False,
        "CPU_RUNTIME_CACHE_CAPACITY": _MOST_KERNELS,
    }
    if folder := os.environ.get(CACHE_VARIABLE):
        settings["CACHE_DIR"] = folder
    return settings


def _info(end: Any) -> TensorInfo:
    """Describe one of OpenVINO's inputs or outputs."""
    shape = tuple(size.get_length() if size.is_static else None for size in end.get_partial_shape())
    return TensorInfo(end.get_any_name(), end.get_element_type().to_dtype().name, shape)


def _reason_of(error: BaseException) -> str:
    """The last words of an error, on one line: OpenVINO names its own source files first."""
    return " ".join(str(error).split())[-_REASON_LENGTH:]
