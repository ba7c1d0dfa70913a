"""Context along rows and columns within one level of features."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn import functional as F

_SIZES = (7, 5, 3)


class IntraCLBlock(nn.Layer):
    """Square, vertical and horizontal convolutions, large ones first, added to the input.

    Args:
        channels: C.
        reduce_factor: the convolutions work on C / reduce_factor channels.

    Source: Du et al. 2022, I3CL (arXiv:2108.01343); PaddleOCR `intracl`.
    """

    def __init__(self, channels: int, reduce_factor: int) -> None:
        super().__init__()
        reduced = channels // reduce_factor
        self.conv1x1_reduce_channel = nn.Conv2D(channels, reduced, 1)
        self.conv1x1_return_channel = nn.Conv2D(reduced, channels, 1)
        self.names: list[tuple[str, str, str]] = []
        for size in _SIZES:
            kernels = {
                f"c_layer_{size}x{size}": (size, size),
                f"v_layer_{size}x1": (size, 1),
                f"q_layer_1x{size}": (1, size),
            }
            for name, (height, width) in kernels.items():
                conv = nn.Conv2D(
                    reduced, reduced, (height, width), padding=(height // 2, width // 2)
                )
                self.add_sublayer(name, conv)
            square, vertical, horizontal = kernels
            self.names.append((square, vertical, horizontal))
        self.bn = nn.BatchNorm2D(channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to the same shape."""
        y = self.conv1x1_reduce_channel(x)
        for square, vertical, horizontal in self.names:
            y = getattr(self, square)(y) + getattr(self, vertical)(y) + getattr(self, horizontal)(y)
        return x + F.relu(self.bn(self.conv1x1_return_channel(y)))
