"""SequenceEncoder: features of an image -> one vector per time step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import paddle
from paddle import nn

from runtime.errors import ConfigError
from training.modeling.layers import uniform_attr

_FC_DECAY = 1e-5


class Im2Seq(nn.Layer):
    """[N, C, 1, T] -> [N, T, C]."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Raises ConfigError when the backbone left more than one row."""
        height = x.shape[2]
        if height != 1:
            raise ConfigError(
                f"the backbone leaves {height} rows: expected 1 for CTC; the image height "
                "does not suit its strides (32 or 48 px for MobileNetV1Enhance with max pool)"
            )
        return x.squeeze(axis=2).transpose([0, 2, 1])


class EncoderWithFC(nn.Layer):
    """One linear layer per time step."""

    def __init__(self, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.out_channels = hidden_size
        self.fc = nn.Linear(
            in_channels,
            hidden_size,
            weight_attr=uniform_attr(in_channels, _FC_DECAY),
            bias_attr=uniform_attr(in_channels, _FC_DECAY),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Float32 [N, T, C] -> float32 [N, T, hidden_size]."""
        return self.fc(x)


class EncoderWithRNN(nn.Layer):
    """Two bidirectional LSTM layers."""

    def __init__(self, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.out_channels = 2 * hidden_size
        self.lstm = nn.LSTM(in_channels, hidden_size, num_layers=2, direction="bidirectional")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Float32 [N, T, C] -> float32 [N, T, 2 hidden_size]."""
        return self.lstm(x)[0]


class BidirectionalLSTM(nn.Layer):
    """One bidirectional LSTM layer and, if asked, a linear layer behind it."""

    def __init__(
        self, in_channels: int, hidden_size: int, out_channels: int, with_linear: bool
    ) -> None:
        super().__init__()
        self.rnn = nn.LSTM(in_channels, hidden_size, direction="bidirectional")
        self.linear = nn.Linear(2 * hidden_size, out_channels) if with_linear else None

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Float32 [N, T, C] -> float32 [N, T, out_channels]."""
        recurrent = self.rnn(x)[0]
        return recurrent if self.linear is None else self.linear(recurrent)


class EncoderWithCascadeRNN(nn.Layer):
    """Bidirectional LSTMs one behind another, each with its own width."""

    def __init__(
        self,
        in_channels: int,
        hidden_size: int,
        out_channels: Sequence[int],
        num_layers: int,
        with_linear: bool,
    ) -> None:
        super().__init__()
        if len(out_channels) < num_layers:
            raise ConfigError(
                f"cascadernn: expected {num_layers} out_channels, one a layer, "
                f"got {list(out_channels)}"
            )
        if not with_linear and any(width != 2 * hidden_size for width in out_channels):
            raise ConfigError(
                f"cascadernn without with_linear emits {2 * hidden_size} channels a layer: "
                f"expected out_channels to say so, got {list(out_channels)}"
            )
        widths = [in_channels, *out_channels[:num_layers]]
        self.out_channels = widths[-1]
        self.encoder = nn.LayerList(
            [
                BidirectionalLSTM(width, hidden_size, next_width, with_linear)
                for width, next_width in zip(widths, widths[1:], strict=False)
            ]
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Float32 [N, T, C] -> float32 [N, T, out_channels[-1]]."""
        for layer in self.encoder:
            x = layer(x)
        return x


class SequenceEncoder(nn.Layer):
    """Turns a one-row feature map into a sequence and encodes it.

    Args:
        in_channels: C of the backbone.
        encoder_type: `reshape` (nothing more), `fc`, `rnn`, `cascadernn`.
        hidden_size: size of the linear layer or of each LSTM direction.
        out_channels, num_layers, with_linear: of `cascadernn` alone.

    Source: Shi et al. 2015, CRNN (arXiv:1507.05717); PaddleOCR `necks/rnn`.
    """

    def __init__(
        self,
        in_channels: int,
        encoder_type: Literal["reshape", "fc", "rnn", "cascadernn"],
        hidden_size: int = 48,
        out_channels: Sequence[int] | None = None,
        num_layers: int = 2,
        with_linear: bool = False,
    ) -> None:
        super().__init__()
        self.encoder_reshape = Im2Seq()
        self.out_channels = in_channels
        if encoder_type == "reshape":
            self.encoder = None
            return
        if encoder_type == "cascadernn":
            self.encoder = EncoderWithCascadeRNN(
                in_channels, hidden_size, out_channels or (), num_layers, with_linear
            )
        else:
            encoder = EncoderWithFC if encoder_type == "fc" else EncoderWithRNN
            self.encoder = encoder(in_channels, hidden_size)
        self.out_channels = self.encoder.out_channels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Float32 [N, C, 1, T] -> float32 [N, T, out_channels]."""
        sequence = self.encoder_reshape(x)
        return sequence if self.encoder is None else self.encoder(sequence)
