"""How planes lie in memory while taps read them: in padded rows, all channels beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import paddle

from training.kernels.gate import FloatArray, array_from_tensor

Pair = tuple[int, int]
Places = npt.NDArray[np.int64]


class Geometry(NamedTuple):
    """Padding in pixels above and below, on the left and on the right; strides; sides of kernels.

    Args:
        vertical, horizontal: before and after.
        stride, kernel: (vertical, horizontal).
    """

    vertical: Pair
    horizontal: Pair
    stride: Pair
    kernel: Pair

    @property
    def before(self) -> Pair:
        """Return the padding above and on the left."""
        return self.vertical[0], self.horizontal[0]

    def output_size(self, size: Sequence[int]) -> Pair:
        """Return height and width of what a convolution makes of an image."""
        height, width = (
            (sum(padding) + side - taps) // stride + 1
            for padding, side, taps, stride in zip(
                self[:2], size, self.kernel, self.stride, strict=True
            )
        )
        return height, width

    @property
    def taps(self) -> tuple[Places, Places]:
        """Return row and column of each tap, in the order of a kernel's values."""
        rows, columns = np.divmod(np.arange(self.kernel[0] * self.kernel[1]), self.kernel[1])
        return rows, columns


class Layout(NamedTuple):
    """How an image's padded rows lie: as [rows, stride, channels, columns]."""

    rows: int
    stride: int
    channels: int
    columns: int

    @property
    def row(self) -> int:
        """From a row to the next, floats."""
        return self.stride * self.channels * self.columns

    @property
    def image(self) -> int:
        """From an image to the next, floats."""
        return self.rows * self.row

    def offsets(self, num_channels: int, rows: Places, columns: Places) -> Places:
        """Return where padded pixels (row, column) of the first channels lie, [C, K]."""
        phases = columns % self.stride
        places = rows * self.row + phases * self.channels * self.columns + columns // self.stride
        channels = np.arange(num_channels)[:, None] * self.columns
        return np.ascontiguousarray(channels + places[None, :], np.int64)


class Rows(NamedTuple):
    """Padded rows of a batch.

    Args:
        values: float32 [N, image].
        layout: how an image lies.
        before: rows above and columns on the left that are padding.
    """

    values: FloatArray
    layout: Layout
    before: Pair


def rows_of_input(x: paddle.Tensor, geometry: Geometry) -> Rows:
    """Lay out what a convolution reads, float32 [N, C, H, W]."""
    height, width = (
        sum(padding) + side for padding, side in zip(geometry[:2], x.shape[2:], strict=True)
    )
    across = geometry.stride[1]
    return _laid_out(x, Layout(height, across, x.shape[1], -(-width // across)), geometry.before)


def rows_of_gradient(dout: paddle.Tensor, size: Sequence[int], geometry: Geometry) -> Rows:
    """Lay out the gradient of a convolution's output, float32 [N, O, H', W'].

    Around it are as many zeros as the input's first and last pixel ask for, and a vector's; behind
    its channels as many as are taken at once.

    Args:
        dout: the gradient.
        size: height and width of the input.
        geometry: of the convolution.
    """
    from training.kernels.loops.tiles import DOT_CHANNELS, WIDTH

    before, sides = [], []
    for side, out, padding, stride, taps in zip(
        size, dout.shape[2:], geometry.before, geometry.stride, geometry.kernel, strict=True
    ):
        before.append((taps - 1) // stride)
        sides.append(before[-1] + max((side - 1 + padding) // stride + 1, out))
    channels = -(-dout.shape[1] // DOT_CHANNELS) * DOT_CHANNELS
    layout = Layout(sides[0], 1, channels, sides[1] + WIDTH)
    return _laid_out(dout, layout, (before[0], before[1]))


def packed(weight: Any) -> FloatArray:
    """Return kernels [O, ...] as tiles take them: [groups, K, CHANNELS], zeros behind the last."""
    from training.kernels.loops.tiles import CHANNELS

    flat = np.asarray(weight).reshape(len(weight), -1)
    groups = -(-len(flat) // CHANNELS)
    filled = np.zeros((groups * CHANNELS, flat.shape[1]), np.float32)
    filled[: len(flat)] = flat
    return np.ascontiguousarray(filled.reshape(groups, CHANNELS, -1).transpose(0, 2, 1))


def _laid_out(x: paddle.Tensor, layout: Layout, before: Pair) -> Rows:
    from training.kernels.loops import dense as loops
    from training.kernels.loops.tiles import PIXELS

    batch = x.shape[0]
    # What a tile reads behind the last row.
    flat = np.empty(batch * layout.image + PIXELS, np.float32)
    flat[batch * layout.image :] = 0.0
    values = flat[: batch * layout.image].reshape(batch, layout.image)
    shape = batch, layout.rows, layout.stride, layout.channels, layout.columns
    loops.lay_out(array_from_tensor(x), values.reshape(shape), before, layout.stride)
    return Rows(values, layout, before)
