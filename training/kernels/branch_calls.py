"""The differentiable calls of normalised branches that are added: pointwise and depthwise ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import paddle
from paddle.autograd import PyLayer

from training.kernels.gate import FloatArray, array_from_tensor


@dataclass(frozen=True)
class Form:
    """What a call is made of.

    Args:
        num_kernels: branches with a convolution.
        has_input: whether the input itself is a branch.
        epsilon: added to variances.
        wanted: which tensors want a gradient: x, kernels, scales, shifts.
        stride: of the convolutions, (vertical, horizontal).
    """

    num_kernels: int
    has_input: bool
    epsilon: float
    wanted: tuple[bool, ...]
    stride: tuple[int, int]

    def parts(self, tensors: Sequence[Any]) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """Split tensors into x, kernels, scales, shifts."""
        num_norms = self.num_kernels + self.has_input
        x, *rest = tensors
        kernels, norms = rest[: self.num_kernels], rest[self.num_kernels :]
        return x, kernels, norms[:num_norms], norms[num_norms:]

    def answer(self, gradients: Sequence[Any]) -> tuple[Any, ...]:
        """Return the gradients that are wanted, None for the others."""
        pairs = zip(gradients, self.wanted, strict=True)
        return tuple(gradient if is_wanted else None for gradient, is_wanted in pairs)


class PointwiseBranches(PyLayer):
    """The differentiable call: the sum, and each branch's mean and variance."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[paddle.Tensor, ...]:
        from training.kernels.loops import (
            pointwise_branches as loops,
        )  # numba, only once it is needed

        *tensors, form = arguments
        x, kernels, scales, shifts = form.parts(tensors)
        batch, channels, height, width = x.shape
        rows = kernels[0].shape[0]
        count = batch * height * width
        centred = paddle.empty([batch, channels, height * width], dtype="float32")
        mean = np.empty(channels, np.float32)
        loops.centre(_planes(x), mean, array_from_tensor(centred))
        covariance = paddle.matmul(centred, centred, transpose_y=True).sum(axis=0) / count
        kernel = paddle.concat([kernel.flatten(1) for kernel in kernels])
        covered = paddle.matmul(kernel, covariance)
        variance = np.empty(kernel.shape[0], np.float32)
        rows_of = array_from_tensor(kernel)
        loops.row_products(rows_of, array_from_tensor(covered), variance)
        means = paddle.mv(kernel, paddle.to_tensor(mean)).numpy().reshape(-1, rows)
        variance = variance.reshape(-1, rows)
        if form.has_input:
            diagonal = np.diagonal(array_from_tensor(covariance))
            means, variance = np.vstack([mean, means]), np.vstack([diagonal, variance])
        inverse = 1.0 / np.sqrt(variance + np.float32(form.epsilon))
        factors = np.stack([array_from_tensor(scale) for scale in scales]) * inverse
        merged = paddle.empty([rows, channels], dtype="float32")
        of_kernels = np.ascontiguousarray(factors[int(form.has_input) :]).reshape(-1)
        loops.merge(rows_of, of_kernels, array_from_tensor(merged))
        if form.has_input:
            np.einsum("ii->i", array_from_tensor(merged))[:] += factors[0]
        y = paddle.matmul(merged, centred)
        bias = np.sum([array_from_tensor(shift) for shift in shifts], axis=0, dtype=np.float32)
        loops.add_channels(array_from_tensor(y), bias)
        ctx.save_for_backward(centred, kernel, covered, merged)
        ctx.known = form, inverse, factors, x.shape
        y = y.reshape([batch, rows, height, width])
        outputs = y, paddle.to_tensor(means), paddle.to_tensor(variance)
        ctx.mark_non_differentiable(*outputs[1:])
        return outputs

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor, *_: Any) -> tuple[paddle.Tensor | None, ...]:
        from training.kernels.loops import pointwise_branches as loops

        centred, kernel, covered, merged = ctx.saved_tensor()
        form, inverse, factors, shape = ctx.known
        rows, count = dy.shape[1], shape[0] * shape[2] * shape[3]
        first = int(form.has_input)
        dy = dy.flatten(2)
        sums = np.empty(rows, np.float32)
        loops.channel_sums(array_from_tensor(dy), sums)
        products = paddle.matmul(dy, centred, transpose_y=True).sum(axis=0)
        dots = np.empty(kernel.shape[0], np.float32)
        loops.row_products(array_from_tensor(kernel), array_from_tensor(products), dots)
        dots = dots.reshape(-1, rows)
        if form.has_input:
            dots = np.vstack([np.diagonal(array_from_tensor(products)), dots])
        dscales = dots * inverse
        slopes = factors * inverse * dscales / np.float32(count)
        dkernel, sloped = (paddle.empty(kernel.shape, dtype="float32") for _ in range(2))
        loops.kernel_gradients(
            array_from_tensor(kernel),
            array_from_tensor(covered),
            array_from_tensor(products),
            np.ascontiguousarray(factors[first:]).reshape(-1),
            np.ascontiguousarray(slopes[first:]).reshape(-1),
            count,
            array_from_tensor(dkernel),
            array_from_tensor(sloped),
        )
        dx = None
        if form.wanted[0]:
            curvature = paddle.matmul(kernel, sloped, transpose_x=True)
            if form.has_input:
                np.einsum("ii->i", array_from_tensor(curvature))[:] += slopes[0]
            dx = paddle.matmul(merged, dy, transpose_x=True)
            smoothed = paddle.matmul(curvature, centred)
            offset = paddle.mv(merged.t(), paddle.to_tensor(sums / np.float32(count)))
            loops.input_gradient(*map(array_from_tensor, (dx, smoothed, offset)))
            dx = dx.reshape(shape)
        dkernels = dkernel.reshape([form.num_kernels, rows, shape[1], 1, 1]).unbind()
        gradients = [
            dx,
            *dkernels,
            *(paddle.to_tensor(dscale) for dscale in dscales),
            *(paddle.to_tensor(sums) for _ in dscales),
        ]
        return form.answer(gradients)


class DepthwiseBranches(PyLayer):
    """The differentiable call for depthwise convolutions; results as `PointwiseBranches`."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[paddle.Tensor, ...]:
        from training.kernels.loops import depthwise_branches as loops

        *tensors, form = arguments
        x, kernels, scales, shifts = form.parts(tensors)
        size = tuple(max(kernel.shape[axis] for kernel in kernels) for axis in (2, 3))
        padding = size[0] // 2, size[1] // 2
        stacked, is_full = _stacked_kernels(form, kernels, size)
        factors = np.stack([array_from_tensor(scale) for scale in scales])
        shift = np.sum([array_from_tensor(shift) for shift in shifts], axis=0, dtype=np.float32)
        out_size = [
            (x.shape[2 + axis] - 1) // form.stride[axis] + 1 for axis in (0, 1)
        ]  # as padding keeps the size at stride 1
        y = paddle.empty([*x.shape[:2], *out_size], dtype="float32")
        means, variances = (np.empty(factors.shape, np.float32) for _ in range(2))
        geometry = size, padding, form.stride
        loops.forward(
            *(array_from_tensor(x), stacked, is_full, factors, shift, form.epsilon),
            *(array_from_tensor(y), means, variances, *geometry),
        )
        inverses = 1.0 / np.sqrt(variances + np.float32(form.epsilon))
        ctx.save_for_backward(x)
        ctx.known = form, stacked, is_full, factors, means, inverses, geometry
        outputs = y, paddle.to_tensor(means), paddle.to_tensor(variances)
        ctx.mark_non_differentiable(*outputs[1:])
        return outputs

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor, *_: Any) -> tuple[paddle.Tensor | None, ...]:
        from training.kernels.loops import depthwise_branches as loops

        (x,) = ctx.saved_tensor()
        form, stacked, is_full, factors, means, inverses, geometry = ctx.known
        dx = paddle.empty(x.shape if form.wanted[0] else [0, 1, 1, 1], dtype="float32")
        dkernels = np.empty_like(stacked)
        dscales, dshift = np.empty_like(factors), np.empty(factors.shape[1], np.float32)
        loops.backward(
            *(array_from_tensor(x), stacked, is_full, factors, means, inverses),
            *(array_from_tensor(dy), array_from_tensor(dx), dkernels, dscales, dshift, *geometry),
        )
        (height, width), middle = geometry[0], stacked.shape[2] // 2
        gradients = [dx]
        for branch in range(int(form.has_input), len(stacked)):
            dkernel, shape = dkernels[branch], (-1, 1, height, width)
            if not is_full[branch]:
                dkernel, shape = dkernel[:, middle], (-1, 1, 1, 1)
            gradients.append(paddle.to_tensor(dkernel.reshape(shape)))
        gradients += [paddle.to_tensor(dscale) for dscale in dscales]
        gradients += [paddle.to_tensor(dshift) for _ in dscales]
        return form.answer(gradients)


def _stacked_kernels(
    form: Form, kernels: Sequence[Any], size: tuple[int, int]
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return all kernels [B, C, taps], and which of them have all taps [B].

    The input itself is a kernel of 1 in the middle.
    """
    shape = form.num_kernels + form.has_input, kernels[0].shape[0], size[0] * size[1]
    stacked, is_full = np.zeros(shape, np.float32), np.zeros(shape[0], np.bool_)
    middle = shape[2] // 2
    if form.has_input:
        stacked[0, :, middle] = 1.0
    for branch, kernel in enumerate(kernels, int(form.has_input)):
        values = array_from_tensor(kernel).reshape(shape[1], -1)
        is_full[branch] = values.shape[1] > 1
        stacked[branch, :, slice(None) if is_full[branch] else slice(middle, middle + 1)] = values
    return stacked, is_full


def _planes(tensor: paddle.Tensor) -> FloatArray:
    """View [N, C, H, W] as [N, C, H W]."""
    array = array_from_tensor(tensor)
    return array.reshape(array.shape[0], array.shape[1], -1)
