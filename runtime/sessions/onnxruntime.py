"""ONNX models through onnxruntime, on the CPU or a GPU."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.cpu_budget import available_cpus
from runtime.ctc import best_path, best_path_of_logits
from runtime.errors import ArtifactError, EngineError
from runtime.preprocess import Image, batch_from_lines, full_parts
from runtime.sessions.half_weights import has_half_weights
from runtime.sessions.model_spec import ModelFacts, spec_of_model
from runtime.spec import RecognizerSpec

logger = logging.getLogger(__name__)

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ERRORS_ONLY = 3
_REASON_LENGTH = 300


class OnnxRuntimeSession:
    """A `Session` of onnxruntime.

    Args:
        path: an ONNX file that exists.
        dictionary, device, threads, device_id: as `runtime.sessions.open_session`.

    Raises:
        ArtifactError: if the file is damaged, no recogniser, or contradicts its characters.
        EngineError: if onnxruntime is not installed or does not give the device asked for.
    """

    def __init__(
        self,
        path: Path,
        dictionary: str | Path | None,
        device: str,
        threads: int | None,
        device_id: int = 0,
    ) -> None:
        ort = _import_onnxruntime(device)
        threads = available_cpus() if threads is None else threads
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        self._path = path
        self._session: Any = _create(ort, path, options, device, device_id)
        facts = self._facts()
        self._fixed_batch = facts.input_shape[0]
        self._input_name, self._output_name = facts.input_name, facts.output_name
        self._spec = spec_of_model(facts, dictionary)
        self._check_names(facts)
        provider = self._session.get_providers()[0]
        on_threads = f"{threads} thread{'s' if threads > 1 else ''}"
        self._description = f"onnxruntime {ort.__version__}, {provider}, {on_threads}"
        logger.info("%s: %s", path, self._description)

    @property
    def spec(self) -> RecognizerSpec:
        """What the network expects and emits."""
        return self._spec

    @property
    def description(self) -> str:
        """Version, provider obtained and threads."""
        return self._description

    def read(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """As `Session.read`."""
        return self.run(batch_from_lines(lines, width_px, self._spec.mean, self._spec.std))

    def run(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """As `read`, for lines that are normalised and padded already.

        Args:
            batch: float32 [N, C, H, W].
        """
        scores = self._scores(batch)
        if scores.ndim != 3 or scores.shape[0] != batch.shape[0]:
            raise EngineError(
                f"{self._path}: expected an output [N, T, K] for an input of "
                f"{list(batch.shape)}, got {list(scores.shape)}; give a text recognition model"
            )
        has_logits = self._spec.output_activation == "none"
        with np.errstate(invalid="ignore"):
            indices, values = best_path_of_logits(scores) if has_logits else best_path(scores)
        if not np.isfinite(values).all():
            raise EngineError(
                f"{self._path}: the network emitted values that are not finite for an input of "
                f"{list(batch.shape)}; use its FP32 form"
            )
        return indices, values.astype(np.float32, copy=False)

    def close(self) -> None:
        """As `Session.close`."""
        self._session = None

    def _scores(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._session is None:
            raise EngineError(f"{self._path}: the session is closed; open the model again")
        parts = [batch] if self._fixed_batch is None else full_parts(batch, self._fixed_batch)
        try:
            outputs = [
                self._session.run([self._output_name], {self._input_name: part})[0]
                for part in parts
            ]
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise EngineError(
                f"{self._path}: onnxruntime failed on an input of {list(batch.shape)}: "
                f"{_reason(error)}"
            ) from error
        scores: NDArray[np.float32] = outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
        return scores[: batch.shape[0]]

    def _facts(self) -> ModelFacts:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
            got = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise ArtifactError(
                f"{self._path}: not a text recogniser: expected one float32 input [N, C, H, W], "
                f"got {got or 'none'}; give a text recognition model with float32 input"
            )
        shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
        last = outputs[0].shape[-1] if len(outputs[0].shape) == 3 else None
        return ModelFacts(
            where=str(self._path),
            metadata=self._session.get_modelmeta().custom_metadata_map,
            input_name=inputs[0].name,
            output_name=outputs[0].name,
            input_shape=shape,
            num_classes=last if isinstance(last, int) else None,
            probe=self._scores,
        )

    def _check_names(self, facts: ModelFacts) -> None:
        named = (self._spec.input_name, self._spec.output_name)
        if named != (facts.input_name, facts.output_name):
            raise ArtifactError(
                f"{self._path}: the spec in its metadata and the network disagree: expected "
                f"tensors {' -> '.join(named)}, got {facts.input_name} -> {facts.output_name}; "
                "export the model again"
            )


def _import_onnxruntime(device: str) -> Any:
    extra = "gpu" if device == "cuda" else "cpu"
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        other = "" if extra == "gpu" else ", or 'distilrec[gpu]' for an NVIDIA GPU"
        raise EngineError(
            f"onnxruntime cannot be imported ({_reason(error)}): pip install 'distilrec[{extra}]'"
            f"{other}"
        ) from error


def _create(ort: Any, path: Path, options: Any, device: str, device_id: int) -> Any:
    """A session on the device asked for; on `auto` the CPU stands in for a GPU that fails."""
    if device != "cpu" and _CUDA in ort.get_available_providers():
        try:
            return _create_on_cuda(ort, path, options, device_id)
        except EngineError as error:
            if device == "cuda":
                raise
            logger.warning("%s; going on with the CPU", error)
    elif device == "cuda":
        raise EngineError(
            f"no CUDA in this onnxruntime: expected {_CUDA}, got "
            f"{', '.join(ort.get_available_providers())}; replace the package: "
            "pip uninstall onnxruntime, then pip install 'distilrec[gpu]'"
        )
    try:
        return ort.InferenceSession(
            str(path), options, providers=[_CPU], disabled_optimizers=_disabled(path)
        )
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ArtifactError(
            f"cannot open the model {path}: {_reason(error)}; export or copy it again"
        ) from error


def _create_on_cuda(ort: Any, path: Path, options: Any, device_id: int) -> Any:
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # finds the CUDA libraries that pip installed
    try:
        # Without this onnxruntime falls back to the CPU by itself, saying so on stdout.
        session = ort.InferenceSession(
            str(path),
            options,
            providers=[(_CUDA, {"device_id": device_id}), _CPU],
            enable_fallback=0,
            disabled_optimizers=_disabled(path),
        )
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise EngineError(f"{path}: onnxruntime cannot use CUDA: {_reason(error)}") from error
    obtained = session.get_providers()
    if _CUDA not in obtained:
        raise EngineError(
            f"{path}: expected onnxruntime to use {_CUDA}, got {', '.join(obtained)}; "
            "check the driver and that CUDA and cuDNN are installed"
        )
    return session


def _disabled(path: Path) -> list[str] | None:
    """The optimiser of the CPU provider that crashes on FP16 networks, where there is one."""
    return ["NchwcTransformer"] if has_half_weights(path) else None


def _reason(error: BaseException) -> str:
    """The first words of an error, on one line."""
    return " ".join(str(error).split())[:_REASON_LENGTH]
