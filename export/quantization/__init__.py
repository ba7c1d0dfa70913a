"""FP32 ONNX -> 8-bit ONNX for CPUs, with what it costs in reading shown beside it.

Convolutions and products that hold nearly all of the arithmetic run on 8-bit integers; everything
else stays FP32. onnxruntime's own quantiser writes the graph; what to quantise, on which images,
and whether the result reads well enough is decided here.
"""

from export.quantization.eight_bit import EightBitModel, eight_bit_model
from export.quantization.report import EightBitReport, Limits

__all__ = ["EightBitModel", "EightBitReport", "Limits", "eight_bit_model"]
