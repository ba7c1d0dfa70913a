"""ONNX models in onnxruntime, on the CPU or a GPU: the package, its settings, the provider."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.cpu import available_cpus
from runtime.engines.denormals import without_denormals
from runtime.engines.onnx_weights import Weights, check_files, weights_of
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

if TYPE_CHECKING:  # what a GPU needs is imported where one is
    from runtime.engines.bound_runs import BoundRuns

logger = logging.getLogger(__name__)

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ERRORS_ONLY = 3
_REASON_LENGTH = 300
_DTYPES = {"float": "float32", "double": "float64"}
"""What onnxruntime calls otherwise than NumPy."""


class OnnxRuntimeEngine:
    """An ONNX model in onnxruntime, an `Engine`.

    Args:
        path: an ONNX file that exists.
        device: `auto`, `cpu` or `cuda`; on `auto` the CPU stands in for a GPU that fails.
        threads: of the CPU; as many as this process may use when None.
        device_id: number of the GPU.
        shared: whether several threads will use it at once: on the CPU each call then computes
            with one thread.

    Raises:
        ArtifactError: if onnxruntime cannot read the file, or its weights lie elsewhere.
        EngineError: if onnxruntime is not installed or does not give the device asked for.
    """

    def __init__(
        self,
        path: Path,
        device: str = "auto",
        threads: int | None = None,
        device_id: int = 0,
        shared: bool = False,
    ) -> None:
        self.path = path
        self.profiles: Sequence[Profile] = ()
        threads = available_cpus() if threads is None else threads
        ort = _import_onnxruntime(device)
        weights = weights_of(path)
        check_files(path, weights)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1 if shared else threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # A plan of memory for every shape ever met: no faster here, and it grows with their number.
        options.enable_mem_pattern = False
        session, because = _create(ort, path, options, device, device_id, weights)
        self._session: Any = session
        self._ort, self._device_id = ort, device_id
        self._idle: list[BoundRuns] = []
        provider = session.get_providers()[0]
        self.is_on_cpu = provider == CPU
        self.inputs = tuple(map(_info, session.get_inputs()))
        self.outputs = tuple(map(_info, session.get_outputs()))
        self.metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
        self.num_lanes = threads if shared and self.is_on_cpu else 1
        self._fixed_batch = (
            self.inputs[0].sizes[0] if self.inputs and self.inputs[0].sizes else None
        )
        # On the CPU every sample runs alone: onnxruntime's kernels round differently for other
        # batch sizes, and larger batches are hardly faster there.
        self.samples_at_once = self._fixed_batch or (1 if self.is_on_cpu else None)
        on_threads = f"{threads} thread{'s' if threads > 1 else ''}"
        self.description = f"onnxruntime {ort.__version__}, {provider}, {on_threads}"
        chosen = f" (chosen because {because})" if because else ""
        logger.info("%s: %s%s", short_name(path), self.description, chosen)

    def parts(self, count: int, sizes: Mapping[str, Sizes]) -> list[Part]:
        """Divide samples by the model's own N, one by one on the CPU, not at all on a GPU.

        On a GPU N is filled up to a power of two: for every new shape convolutions are looked for
        and memory is allocated.
        """
        most = self.samples_at_once or count
        batch = self._fixed_batch or (1 if self.is_on_cpu else 1 << (count - 1).bit_length())
        return [Part(start, min(most, count - start), batch) for start in range(0, count, most)]

    def run(self, tensors: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """Run the network; see `Engine.run`."""
        session = self._session  # another thread may close it meanwhile
        if session is None:
            raise EngineError(f"{self.path}: the session is closed; open the model again")
        names = list(outputs) or [output.name for output in self.outputs]
        with self._translated({name: array.shape for name, array in tensors.items()}):
            values = session.run(names, dict(tensors))
        return dict(zip(names, map(np.asarray, values), strict=True))

    def run_filled(self, shapes: Shapes, fill: Fill) -> dict[str, Array]:
        """Run the network; see `Engine.run_filled`.

        On a GPU inputs and outputs of shapes that come again stay where they are.
        """
        session = self._session
        if self.is_on_cpu or session is None:
            return self.run(filled(shapes, self.inputs, fill))
        try:
            runs = self._idle.pop()
        except IndexError:  # as many as there are threads in here
            from runtime.engines.bound_runs import BoundRuns

            ends = (self.inputs, self.outputs)
            runs = BoundRuns(self._ort, session, *ends, "cuda", self._device_id)
        try:
            with self._translated(shapes):
                bound = runs.bound(shapes)
            fill(bound.arrays)
            with self._translated(shapes):
                return runs.run(bound)
        finally:
            if self._session is not None:
                self._idle.append(runs)

    def run_parts(self, parts: Sequence[Filled]) -> list[dict[str, Array]]:
        """Run the network on one part after the other; see `Engine.run_parts`."""
        return [self.run_filled(shapes, fill) for shapes, fill in parts]

    def close(self) -> None:
        """Let go of the network."""
        self._session = None
        self._idle.clear()

    @contextmanager
    def _translated(self, shapes: Shapes) -> Iterator[None]:
        """Say what onnxruntime failed on; its errors have no base class of their own."""
        try:
            yield
        except Exception as error:
            told = ", ".join(str(list(sizes)) for sizes in shapes.values())
            raise EngineError(
                f"{self.path}: onnxruntime failed on an input of {told}: {reason_of(error)}"
            ) from error


def has_cuda() -> bool:
    """Tell whether the onnxruntime that is installed has CUDA.

    Raises:
        EngineError: if none is installed.
    """
    return CUDA in _import_onnxruntime("auto").get_available_providers()


def _info(value: Any) -> TensorInfo:
    """Describe one of onnxruntime's inputs or outputs."""
    dtype = str(value.type).removeprefix("tensor(").removesuffix(")")
    shape = None if value.shape is None else tuple(value.shape)
    return TensorInfo(value.name, _DTYPES.get(dtype, dtype), shape)


def _import_onnxruntime(device: str) -> Any:
    extra = "gpu" if device == "cuda" else "cpu"
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        other = "" if extra == "gpu" else ", or 'distilrec[gpu]' for an NVIDIA GPU"
        raise EngineError(
            f"onnxruntime cannot be imported ({reason_of(error)}): pip install "
            f"'distilrec[{extra}]'{other}"
        ) from error


def _create(
    ort: Any, path: Path, options: Any, device: str, device_id: int, weights: Weights
) -> tuple[Any, str]:
    """A session, and why it is where it is if the device was left open."""
    disabled = _disabled(weights)
    because = ""
    if device != "cpu" and CUDA in ort.get_available_providers():
        try:
            session = _create_on_cuda(ort, path, options, device_id, disabled)
            return session, "onnxruntime has CUDA" if device == "auto" else ""
        except EngineError as error:
            if device == "cuda":
                raise
            logger.warning("%s; going on with the CPU", error)
            because = "CUDA failed"
    elif device == "cuda":
        raise EngineError(
            f"no CUDA in this onnxruntime: expected {CUDA}, got "
            f"{', '.join(ort.get_available_providers())}; replace the package: "
            "pip uninstall onnxruntime onnxruntime-gpu, then pip install 'distilrec[gpu]'"
        )
    elif device == "auto":
        because = "this onnxruntime has no CUDA"
    # What is opened from memory has no folder in which weights could lie.
    mended = None if weights.files else without_denormals(path)
    try:
        session = ort.InferenceSession(
            mended or str(path), options, providers=[CPU], disabled_optimizers=disabled
        )
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ArtifactError(
            f"cannot open the model {path}: {reason_of(error)}; export or copy it again"
        ) from error
    return session, because


def _create_on_cuda(
    ort: Any, path: Path, options: Any, device_id: int, disabled: list[str] | None
) -> Any:
    from runtime.engines.conv_search import chosen_search

    try:
        if hasattr(ort, "preload_dlls"):
            # Finds the CUDA libraries that pip installed; it complains on stdout, among records.
            with redirect_stdout(sys.stderr):
                ort.preload_dlls()
        search = chosen_search(path, ort.__version__, device_id)
        # Without this onnxruntime falls back to the CPU by itself, saying so on stdout.
        session = ort.InferenceSession(
            str(path),
            options,
            providers=[(CUDA, cuda_options(device_id, search)), CPU],
            enable_fallback=0,
            disabled_optimizers=disabled,
        )
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise EngineError(f"{path}: onnxruntime cannot use CUDA: {reason_of(error)}") from error
    obtained = session.get_providers()
    if CUDA not in obtained:
        raise EngineError(
            f"{path}: expected onnxruntime to use {CUDA}, got {', '.join(obtained)}; "
            "check the driver and that CUDA and cuDNN are installed"
        )
    return session


def cuda_options(device_id: int, search: str) -> dict[str, str]:
    """Return what the CUDA provider is told.

    Args:
        device_id: number of the GPU.
        search: how convolutions are looked for, one of `SEARCHES`. The provider's own choice
            searches anew for every convolution and every new shape, and lines have many widths.
    """
    return {
        "device_id": str(device_id),
        # FP32 means FP32: TF32 keeps ten bits of a product's factors.
        "use_tf32": "0",
        "cudnn_conv_algo_search": search,
        "arena_extend_strategy": "kSameAsRequested",
    }


def _disabled(weights: Weights) -> list[str] | None:
    """The optimiser of the CPU provider that crashes on FP16 networks, where there is one."""
    return ["NchwcTransformer"] if weights.has_half else None


def reason_of(error: BaseException) -> str:
    """The first words of an error, on one line."""
    return " ".join(str(error).split())[:_REASON_LENGTH]
