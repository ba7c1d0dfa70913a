"""FP32 ONNX -> FP16 ONNX that is proven to read the same.

Ranges are measured in FP32 on images (`ranges`); operators, ranges and the last product decide what
stays FP32 from the start (`sensitive`); the graph is converted (`half`) and run with every rounding
emulated (`emulate`); and while it reads otherwise than FP32, more nodes stay FP32 (`growth`).
"""

from export.precision.prove import HalfModel, half_model
from export.precision.report import Kept, PrecisionReport

__all__ = ["HalfModel", "Kept", "PrecisionReport", "half_model"]
