"""FP32 ONNX -> FP16 ONNX that is proven to read the same.

Ranges are measured in FP32 on lines (`ranges`); operators, ranges and the last product decide what
stays FP32 from the start (`sensitive`); the graph is converted (`half`) and run with every rounding
emulated (`emulate`); and while text differs from FP32's, more nodes stay FP32 (`growth`).
"""

from export.precision.prove import HalfRecognizer, half_recognizer
from export.precision.report import Agreement, Kept, PrecisionReport

__all__ = ["Agreement", "HalfRecognizer", "Kept", "PrecisionReport", "half_recognizer"]
