"""The engines that could be measured, and for each that cannot be here, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.engines.sidecar import EngineSidecar
from runtime.errors import EngineError, OcrError

TITLES: Mapping[str, str] = {
    "cpu-fp32": "onnxruntime, CPU, FP32",
    "cpu-fp16": "onnxruntime, CPU, FP16 file",
    "cuda-fp32": "onnxruntime, CUDA, FP32",
    "cuda-fp16": "onnxruntime, CUDA, FP16",
    "tensorrt-fp32": "TensorRT, FP32",
    "tensorrt-fp16": "TensorRT, FP16",
    "rtx-fp32": "TensorRT-RTX, FP32",
    "rtx-fp16": "TensorRT-RTX, FP16",
}
"""Every engine by its short name; the CPU computes an FP16 file in FP32, between casts."""
_LIBRARIES = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}


@dataclass(frozen=True)
class Backend:
    """One engine and the file it would run.

    Args:
        name: a key of `TITLES`.
        model: the file; None where there is none.
        reason: why it cannot be measured here, None where it can.
    """

    name: str
    model: Path | None = None
    reason: str | None = None


def find_backends(model: Path, half: Path | None, plans: Sequence[Path]) -> list[Backend]:
    """All engines, in the order of `TITLES`.

    Args:
        model: the FP32 ONNX file.
        half: its FP16 form, if there is one.
        plans: TensorRT plans, their sidecars beside them; at most one of each kind.

    Raises:
        OcrError: if two plans are of one kind, or a sidecar is damaged.
    """
    by_name: dict[str, Path] = {}
    for plan in plans:
        name = _name_of(EngineSidecar.read(plan))
        if name in by_name:
            raise OcrError(
                f"two plans of one kind: expected one {TITLES[name]}, got {by_name[name]} and "
                f"{plan}; leave one out"
            )
        by_name[name] = plan
    return [_backend(name, model, half, by_name.get(name)) for name in TITLES]


def _name_of(sidecar: EngineSidecar) -> str:
    kind = next(name for name, library in _LIBRARIES.items() if library == sidecar.library)
    achieved = str(sidecar.precision.get("achieved", "fp32"))
    return f"{kind}-{'fp32' if achieved == 'fp32' else 'fp16'}"


def _backend(name: str, model: Path, half: Path | None, plan: Path | None) -> Backend:
    kind, _, precision = name.partition("-")
    if kind in _LIBRARIES:
        return _engine(name, kind, plan)
    file = model if precision == "fp32" else half
    if file is None:
        return Backend(name, None, "no FP16 file was given: python -m export precision makes one")
    if kind == "cuda":
        import onnxruntime

        providers = onnxruntime.get_available_providers()
        if "CUDAExecutionProvider" not in providers:
            return Backend(name, file, f"this onnxruntime has no CUDA, only {', '.join(providers)}")
    return Backend(name, file)


def _engine(name: str, kind: str, plan: Path | None) -> Backend:
    from runtime.engines.tensorrt.library import load_tensorrt, require_driver

    try:
        load_tensorrt("tensorrt" if kind == "tensorrt" else "tensorrt-rtx")
        require_driver()
    except EngineError as error:
        return Backend(name, plan, str(error))
    if plan is None:
        return Backend(name, None, "no plan was given: python -m export build makes one")
    return Backend(name, plan)
