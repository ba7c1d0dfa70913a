"""Pools the rows of a text backbone's features into one, and the columns into time steps."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.nn import functional as F

TRAINING_STEPS = 40
"""PaddleOCR's T in training whatever the width: that of its 320 px."""
_COLUMNS = 2


class PoolToRow(nn.Layer):
    """Averages features to one row: two columns to a time step when deployed.

    In training PaddleOCR averages to 40 time steps whatever the width, which is the same thing at
    48 x 320 px alone: at other widths the network would learn letters of another size than it
    reads later. `follow_width()` makes training pool as evaluation does.

    In evaluation PaddleOCR takes 3 rows alone, those of 33 to 48 px. Here any number of them is
    averaged, as in training: a frozen teacher sees every height that its student learns at.

    Source: PaddleOCR `rec_lcnetv3`, `rec_pphgnetv2`, `rec_lcnetv4`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.follows_width = False

    def follow_width(self) -> None:
        """Make T depend on the width in training too; any height is averaged to one row."""
        self.follows_width = True

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, C, 1, T]; in evaluation T is W / 2."""
        if not self.training:
            return F.avg_pool2d(x, [x.shape[2], _COLUMNS])
        num_steps = x.shape[3] // _COLUMNS if self.follows_width else TRAINING_STEPS
        return F.adaptive_avg_pool2d(x, [1, num_steps])
