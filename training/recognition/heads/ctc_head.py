"""CTCHead: one or two linear layers from features to class logits."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn

from training.backbones.layers import uniform_attr
from training.distillation.divergences import logits_of
from training.kernels import Linear


class CTCHead(nn.Layer):
    """Class logits per time step; the network applies softmax when it predicts.

    Args:
        in_channels: C of the neck.
        out_channels: K.
        fc_decay: L2 weight decay of its layers.
        mid_channels: width of a layer in between, None for none.
        return_feats: also return the last layer's input, as CenterLoss needs it.

    Source: PaddleOCR `rec_ctc_head`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        fc_decay: float = 0.0004,
        mid_channels: int | None = None,
        return_feats: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.return_feats = return_feats
        if mid_channels is None:
            self.fc = _linear(in_channels, out_channels, fc_decay)
        else:
            self.fc1 = _linear(in_channels, mid_channels, fc_decay)
            self.fc2 = _linear(mid_channels, out_channels, fc_decay)
        self.has_two_layers = mid_channels is not None

    def forward(self, x: paddle.Tensor, batch: Any = None) -> Any:
        """Map float32 [N, T, C] to logits [N, T, K]; with `return_feats` (features, logits)."""
        features = self.fc1(x) if self.has_two_layers else x
        logits = self.fc2(features) if self.has_two_layers else self.fc(features)
        return (features, logits) if self.return_feats else logits

    def logits(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, T, C] to class logits float32 [N, T, K]."""
        return logits_of(self.forward(x))


def _linear(in_channels: int, out_channels: int, decay: float) -> nn.Linear:
    return Linear(
        in_channels,
        out_channels,
        weight_attr=uniform_attr(in_channels, decay),
        bias_attr=uniform_attr(in_channels, decay),
    )
