"""Exponential, logarithm and log-sum-exp over rows of classes, in vector instructions.

numba calls the C library once per element for `exp` and `log` (6 ns each); these polynomials,
which the compiler turns into vector instructions, take 0.4 ns. With thousands of classes the
softmax inside the losses is otherwise dearer than the network.

Source: the coefficients of `expf` and `logf` of the Cephes library (Moshier); relative error
below 2.5e-7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from training.kernels.compilation import FAST, compiled

# Rows are scanned for their maximum in this many lanes side by side.
_LANES = 64
# exp of anything smaller is below the smallest normal float32.
_LEAST_EXPONENT = np.float32(-87.0)


@intrinsic
def _float_from_bits(typing_context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def _bits_from_float(typing_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@compiled(fastmath=FAST, error_model="numpy")
def exp32(x):  # type: ignore[no-untyped-def]
    """exp of a float32 up to 88; NaN stays NaN."""
    x = _LEAST_EXPONENT if x < _LEAST_EXPONENT else x
    n = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
    # ln 2 in two parts, so that the remainder is exact.
    r = x - n * np.float32(0.693359375)
    r = r - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * _float_from_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))


@compiled(fastmath=FAST, error_model="numpy")
def log32(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a positive, normal, finite float32."""
    bits = _bits_from_float(x)
    # Mantissa in [sqrt(1/2), sqrt(2)): shift the bits so that the exponent counts from there.
    shifted = np.int32(bits - np.int32(0x3F3504F3))
    exponent = np.int32(shifted >> np.int32(23))
    mantissa = _float_from_bits(np.int32(bits - (exponent << np.int32(23))))
    r = mantissa - np.float32(1.0)
    z = r * r
    p = np.float32(7.0376836292e-2)
    p = p * r + np.float32(-1.1514610310e-1)
    p = p * r + np.float32(1.1676998740e-1)
    p = p * r + np.float32(-1.2420140846e-1)
    p = p * r + np.float32(1.4249322787e-1)
    p = p * r + np.float32(-1.6668057665e-1)
    p = p * r + np.float32(2.0000714765e-1)
    p = p * r + np.float32(-2.4999993993e-1)
    p = p * r + np.float32(3.3333331174e-1)
    n = np.float32(exponent)
    low = r * z * p + n * np.float32(-2.12194440e-4) - np.float32(0.5) * z
    return r + low + n * np.float32(0.693359375)


@compiled(error_model="numpy")
def _maximum(row):  # type: ignore[no-untyped-def]
    """Largest value of a row; comparisons with NaN are lost here, not in the sum that follows."""
    lanes = np.full(_LANES, -np.inf, np.float32)
    whole = row.size - row.size % _LANES
    for start in range(0, whole, _LANES):
        block = row[start : start + _LANES]
        for j in range(_LANES):
            lanes[j] = block[j] if block[j] > lanes[j] else lanes[j]
    largest = np.float32(-np.inf)
    for j in range(_LANES):
        largest = lanes[j] if lanes[j] > largest else largest
    for j in range(whole, row.size):
        largest = row[j] if row[j] > largest else largest
    return largest


@compiled(fastmath=FAST, error_model="numpy")
def _sum_of_exponentials(row, largest):  # type: ignore[no-untyped-def]
    total = np.float32(0.0)
    for j in range(row.size):
        total += exp32(row[j] - largest)
    return total


@compiled(error_model="numpy")
def log_sum_exp(row):  # type: ignore[no-untyped-def]
    """Logarithm of the sum of exponentials of a row, float32."""
    largest = _maximum(row)
    return largest + np.float32(np.log(_sum_of_exponentials(row, largest)))
