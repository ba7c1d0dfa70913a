"""Decides whether the compiled kernels may serve a call, and shares memory with them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import numpy.typing as npt
import paddle

FloatArray = npt.NDArray[np.float32]

# Kernels that compute another way than paddle wait for so many images. Their distance from float64
# is paddle's own, but statistics of few values amplify any rounding: with two to four images they
# moved outputs in training from PaddleOCR's by up to 6e-4, and hardly any time is to be gained.
LEAST_IMAGES = 8

# On maps with so many pixels they pay from fewer images on. Two images moved detectors' outputs in
# training by up to 3e-4.
LEAST_PIXELS, LEAST_IMAGES_OF_PIXELS = 16384, 4

_wanted = True


def set_fast_path(enabled: bool) -> None:
    """Switch the compiled kernels on or off for the whole process.

    Args:
        enabled: False makes every layer of this package run paddle's own operations.
    """
    global _wanted
    _wanted = enabled


@contextmanager
def fast_path(enabled: bool) -> Iterator[None]:
    """Switch the compiled kernels on or off, and back at the end to what was wanted before.

    Args:
        enabled: as in `set_fast_path`, for the whole process.
    """
    before = _wanted
    set_fast_path(enabled)
    try:
        yield
    finally:
        set_fast_path(before)


def fast_path_enabled() -> bool:
    """Tell whether the compiled kernels are wanted and numba is installed to compile them."""
    return _wanted and _numba_installed()


def serves(*tensors: paddle.Tensor) -> bool:
    """Tell whether the compiled kernels may take these tensors.

    Args:
        tensors: every tensor of the call, any shape.

    Returns:
        True in dygraph mode, outside tracing, if all are dense float32 in CPU memory.
    """
    # Tracing has to come first: a traced variable has no memory and no place.
    if not (_wanted and paddle.in_dynamic_mode() and _numba_installed()):
        return False
    return all(
        tensor.dtype == paddle.float32 and tensor.place.is_cpu_place() and tensor.is_dense()
        for tensor in tensors
    )


def serves_batch(x: paddle.Tensor, *others: paddle.Tensor) -> bool:
    """Tell whether kernels that compute another way than paddle may take these tensors.

    Args:
        x: [N, ...].
        others: every other tensor of the call, any shape.

    Returns:
        True in training, with at least `LEAST_IMAGES` images, or where `serves_pixels` is.
    """
    if not paddle.is_grad_enabled() or not serves(x, *others):
        return False
    if len(x.shape) < 2 or 0 in x.shape:
        return False
    return x.shape[0] >= LEAST_IMAGES or _has_pixels(x)


def serves_pixels(x: paddle.Tensor, *others: paddle.Tensor) -> bool:
    """Tell whether kernels for maps of pixels may take these tensors.

    Args:
        x: [N, C, H, W].
        others: every other tensor of the call, any shape.

    Returns:
        True in training, with at least `LEAST_PIXELS` in all of at least
        `LEAST_IMAGES_OF_PIXELS` images, where `serves` is.
    """
    return paddle.is_grad_enabled() and serves(x, *others) and _has_pixels(x)


def _has_pixels(x: paddle.Tensor) -> bool:
    if len(x.shape) != 4 or x.shape[0] < LEAST_IMAGES_OF_PIXELS:
        return False
    return x.shape[0] * x.shape[2] * x.shape[3] >= LEAST_PIXELS


def array_from_tensor(tensor: paddle.Tensor) -> FloatArray:
    """Return a numpy view of a CPU tensor's own memory, made contiguous first if it is not.

    `Tensor.numpy()` copies; this does not, and writing to the view writes to the tensor.

    Args:
        tensor: any shape, float32, on the CPU.

    Returns:
        C-contiguous array of the same shape that keeps the memory alive.
    """
    detached = tensor.detach()
    if not detached.is_contiguous():
        detached = detached.contiguous()
    array: FloatArray = np.from_dlpack(detached)  # type: ignore[assignment]
    return array


def planes_of(tensor: paddle.Tensor) -> FloatArray:
    """View the memory of float32 [N, C, H, W] on the CPU as [N, C, H * W]."""
    array = array_from_tensor(tensor)
    return array.reshape(*array.shape[:2], -1)


@cache
def _numba_installed() -> bool:
    return importlib.util.find_spec("numba") is not None
