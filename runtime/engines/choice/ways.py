"""The ways to compute a network on the CPU: a file, an engine, a precision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

ONNXRUNTIME, OPENVINO = "onnxruntime", "openvino"
ENGINES = (ONNXRUNTIME, OPENVINO)
FP32, BF16, INT8 = "fp32", "bf16", "int8"
PRECISIONS = (FP32, BF16, INT8)
ASKED = ("auto", *PRECISIONS)
"""What may be asked for; `auto` takes what is proven to read the same, the fastest of it."""
_PACKAGES = {
    ONNXRUNTIME: ("onnxruntime", "onnxruntime-gpu"),
    OPENVINO: ("openvino",),
}


@dataclass(frozen=True)
class Way:
    """How a network is computed.

    Args:
        path: of the file that is opened.
        engine: one of `ENGINES`.
        precision: one of `PRECISIONS`; of an FP16 file `fp32`, which is what CPUs compute it in.
    """

    path: Path
    engine: str = ONNXRUNTIME
    precision: str = FP32

    def __str__(self) -> str:
        return f"{self.precision} in {self.engine} {version_of(self.engine)}"


def eight_bit_name(model: str) -> str:
    """Return the name of a model's 8-bit form, `student_int8.onnx` of `student.onnx`."""
    return f"{Path(model).stem}_int8.onnx"


@cache
def version_of(engine: str) -> str | None:
    """Return the version of an engine that is installed, without importing it; None without."""
    import importlib.metadata  # 20 ms that only a choice is worth

    for package in _PACKAGES[engine]:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
