"""onnxruntime's static quantiser, its ranges measured once and used for every attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from export.quantization.ready import OPERATORS, errors_only
from runtime.errors import ArtifactError

Batch = NDArray[np.float32]


class Quantizer:
    """Makes 8-bit forms of one graph: weights int8 with a scale for each channel, values uint8.

    Ranges are from the smallest to the largest value met. (Cutting outliers off, by percentile or
    by entropy, read worse on receipts with PP-OCRv6.)

    Args:
        model: ready for quantisation.
        input_name: where the batches go.
        batches: float32 [N, C, H, W] each, to measure ranges on.
        scratch: a folder for the quantiser's files.

    Raises:
        ArtifactError: if ranges cannot be measured.
    """

    def __init__(
        self, model: onnx.ModelProto, input_name: str, batches: Sequence[Batch], scratch: Path
    ) -> None:
        self._model = model
        self._scratch = scratch
        self._ranges = scratch / "ranges.json"
        self._measure(input_name, batches)

    def quantized(self, nodes: Sequence[str]) -> onnx.ModelProto:
        """Return the form in which these nodes are 8-bit, all others as they were.

        Raises:
            ArtifactError: if the quantiser fails.
        """
        from onnxruntime import quantization

        target = self._scratch / "quantized.onnx"
        try:
            with errors_only():  # it advises what has been done
                quantization.quantize_static(
                    deepcopy(self._model),
                    str(target),
                    quant_format=quantization.QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                    op_types_to_quantize=list(OPERATORS),
                    nodes_to_quantize=list(nodes),
                    calibration_cache_path=str(self._ranges),
                )
            return onnx.load(target)
        except Exception as error:  # it raises whatever it meets
            raise _quantizer_error(error) from error

    def _measure(self, input_name: str, batches: Sequence[Batch]) -> None:
        from onnxruntime import quantization
        from onnxruntime.quantization import create_calibrator, save_tensors_data

        try:
            ready = self._scratch / "ready.onnx"
            onnx.save(self._model, ready)
            calibrator = create_calibrator(
                ready,
                list(OPERATORS),
                augmented_model_path=str(self._scratch / "augmented.onnx"),
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
            for batch in batches:
                calibrator.collect_data(_OneBatch(input_name, batch))
            save_tensors_data(calibrator.compute_data(), str(self._ranges))
        except Exception as error:  # as above
            raise _quantizer_error(error) from error


class _OneBatch:
    """What the calibrator takes for a source of data."""

    def __init__(self, input_name: str, batch: Batch) -> None:
        self._inputs: Iterator[dict[str, Any]] = iter([{input_name: batch}])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._inputs, None)


def _quantizer_error(error: Exception) -> ArtifactError:
    reason = " ".join(str(error).split())[:300]
    return ArtifactError(
        f"onnxruntime's quantiser failed: {reason}; the FP32 model is as it was; "
        "python -m export doctor tells which versions are known to work"
    )
