"""Opening a model file with onnxruntime: the package, its settings, and the provider asked for."""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.engines.onnx_weights import Weights, check_files, weights_of
from runtime.errors import ArtifactError, EngineError

logger = logging.getLogger(__name__)

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ERRORS_ONLY = 3
_REASON_LENGTH = 300


@dataclass(frozen=True)
class Opened:
    """A model that onnxruntime has taken.

    Args:
        session: its `InferenceSession`.
        version: of onnxruntime.
        provider: the first of those obtained.
        because: why this one, where the caller left it open; empty where it was asked for.
    """

    session: Any
    version: str
    provider: str
    because: str

    @property
    def is_on_cpu(self) -> bool:
        """Whether the network runs on the CPU."""
        return self.provider == CPU


def open_with_onnxruntime(path: Path, device: str, device_id: int, threads: int) -> Opened:
    """Open a model on the device asked for; on `auto` the CPU stands in for a GPU that fails.

    Args:
        path: an ONNX file that exists.
        device: `auto`, `cpu` or `cuda`.
        device_id: number of the GPU.
        threads: of the CPU, for one run.

    Raises:
        ArtifactError: if onnxruntime cannot read the file, or its weights lie elsewhere.
        EngineError: if onnxruntime is not installed or does not give the device asked for.
    """
    ort = _import_onnxruntime(device)
    weights = weights_of(path)
    check_files(path, weights)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # A plan of memory for every shape ever met: no faster here, and it grows with their number.
    options.enable_mem_pattern = False
    session, because = _create(ort, path, options, device, device_id, _disabled(weights))
    return Opened(session, ort.__version__, session.get_providers()[0], because)


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
    ort: Any, path: Path, options: Any, device: str, device_id: int, disabled: list[str] | None
) -> tuple[Any, str]:
    """A session, and why it is where it is if the device was left open."""
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
            "pip uninstall onnxruntime, then pip install 'distilrec[gpu]'"
        )
    elif device == "auto":
        because = "this onnxruntime has no CUDA"
    try:
        session = ort.InferenceSession(
            str(path), options, providers=[CPU], disabled_optimizers=disabled
        )
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ArtifactError(
            f"cannot open the model {path}: {reason_of(error)}; export or copy it again"
        ) from error
    return session, because


def _create_on_cuda(
    ort: Any, path: Path, options: Any, device_id: int, disabled: list[str] | None
) -> Any:
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # finds the CUDA libraries that pip installed
    try:
        # Without this onnxruntime falls back to the CPU by itself, saying so on stdout.
        session = ort.InferenceSession(
            str(path),
            options,
            providers=[(CUDA, {"device_id": device_id}), CPU],
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


def _disabled(weights: Weights) -> list[str] | None:
    """The optimiser of the CPU provider that crashes on FP16 networks, where there is one."""
    return ["NchwcTransformer"] if weights.has_half else None


def reason_of(error: BaseException) -> str:
    """The first words of an error, on one line."""
    return " ".join(str(error).split())[:_REASON_LENGTH]
