"""CTCHead: from a sequence of features to class logits."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn

from training.backbones.layers import uniform_attr
from training.distillation.divergences import logits_of
from training.kernels import BatchNormHardSwish, Linear, depthwise_conv2d, pointwise_conv2d

_GUIDE_SIZE = 5


class CTCHead(nn.Layer):
    """Class logits per time step; the network applies softmax when it predicts.

    Args:
        in_channels: C of the neck.
        out_channels: K.
        fc_decay: L2 weight decay of its layers.
        mid_channels: width of a layer in between, None for none.
        return_feats: also return the last layer's input, as CenterLoss needs it.
        use_guide: convolve over 5 time steps first. It is deployed too, and gradients pass; the
            neck's option of this name is another thing.

    Source: PaddleOCR `rec_ctc_head`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        fc_decay: float = 0.0004,
        mid_channels: int | None = None,
        return_feats: bool = False,
        use_guide: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.return_feats = return_feats
        self.use_guide = use_guide
        if use_guide:
            self.guide_layer = _build_guide(in_channels)
        if mid_channels is None:
            self.fc = _linear(in_channels, out_channels, fc_decay)
        else:
            self.fc1 = _linear(in_channels, mid_channels, fc_decay)
            self.fc2 = _linear(mid_channels, out_channels, fc_decay)
        self.has_two_layers = mid_channels is not None

    def forward(self, x: paddle.Tensor, batch: Any = None) -> Any:
        """Map float32 [N, T, C] to logits [N, T, K]; with `return_feats` (features, logits)."""
        if self.use_guide:
            row = self.guide_layer(x.transpose([0, 2, 1]).unsqueeze(2))
            x = row.squeeze(2).transpose([0, 2, 1])
        features = self.fc1(x) if self.has_two_layers else x
        logits = self.fc2(features) if self.has_two_layers else self.fc(features)
        return (features, logits) if self.return_feats else logits

    def logits(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, T, C] to class logits float32 [N, T, K]."""
        return logits_of(self.forward(x))


class _DepthwiseConv1D(nn.Conv1D):
    """Each channel of a row convolved with a kernel of its own."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, 1, T] to the same shape."""
        return depthwise_conv2d(x, self.weight.unsqueeze(2), padding=(0, _GUIDE_SIZE // 2))


class _PointwiseConv1D(nn.Conv1D):
    """The channels of every place of a row mixed."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, 1, T] to float32 [N, out_channels, 1, T]."""
        return pointwise_conv2d(x, self.weight.unsqueeze(3))


def _build_guide(channels: int) -> nn.Sequential:
    """Build a depthwise-separable convolution over time: float32 [N, C, 1, T] to the same shape.

    Names and shapes are those of PaddleOCR's layers on [N, C, T], of which 2 and 5 are hard-swish.
    """
    depthwise = _DepthwiseConv1D(channels, channels, _GUIDE_SIZE, groups=channels, bias_attr=False)
    return nn.Sequential(
        ("0", depthwise),
        ("1", BatchNormHardSwish(channels)),
        ("3", _PointwiseConv1D(channels, channels, 1, bias_attr=False)),
        ("4", BatchNormHardSwish(channels)),
    )


def _linear(in_channels: int, out_channels: int, decay: float) -> nn.Linear:
    return Linear(
        in_channels,
        out_channels,
        weight_attr=uniform_attr(in_channels, decay),
        bias_attr=uniform_attr(in_channels, decay),
    )
