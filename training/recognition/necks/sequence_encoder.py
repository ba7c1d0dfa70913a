"""SequenceEncoder: features of an image -> one vector per time step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import paddle
from paddle import nn

from runtime.errors import ConfigError
from training.backbones.layers import uniform_attr

_FC_DECAY = 1e-5


class Im2Seq(nn.Layer):
    """[N, C, 1, T] -> [N, T, C]."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map [N, C, 1, T] to [N, T, C]; raises ConfigError when the backbone left more rows."""
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
        """Map float32 [N, T, C] to float32 [N, T, hidden_size]."""
        return self.fc(x)


class EncoderWithRNN(nn.Layer):
    """Two bidirectional LSTM layers."""

    def __init__(self, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.out_channels = 2 * hidden_size
        self.lstm = nn.LSTM(in_channels, hidden_size, num_layers=2, direction="bidirectional")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, T, C] to float32 [N, T, 2 hidden_size]."""
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
        """Map float32 [N, T, C] to float32 [N, T, out_channels]."""
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
        widths = [in_channels, *out_channels[:num_layers]]
        self.out_channels = widths[-1]
        self.encoder = nn.LayerList(
            [
                BidirectionalLSTM(width, hidden_size, next_width, with_linear)
                for width, next_width in pairwise(widths)
            ]
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, T, C] to float32 [N, T, out_channels[-1]]."""
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
        given = {
            "encoder_type": encoder_type,
            "hidden_size": hidden_size,
            "out_channels": out_channels,
            "num_layers": num_layers,
            "with_linear": with_linear,
        }
        for key, message in self.problems_of(given):
            raise ConfigError(f"SequenceEncoder.{key}: {message}")
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

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report widths of `cascadernn` that do not fit its layers."""
        if options.get("encoder_type") != "cascadernn":
            return []
        widths = list(options.get("out_channels") or ())
        num_layers, emitted = options.get("num_layers", 2), 2 * options.get("hidden_size", 48)
        if num_layers < 1 or len(widths) != num_layers:
            message = f"cascadernn: expected {num_layers} widths, one a layer, got {widths}"
            return [("out_channels", message)]
        if not options.get("with_linear") and any(width != emitted for width in widths):
            message = (
                f"cascadernn without with_linear emits {emitted} channels a layer: "
                f"expected {emitted} for each, got {widths}"
            )
            return [("out_channels", message)]
        return []

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, 1, T] to float32 [N, T, out_channels]."""
        sequence = self.encoder_reshape(x)
        return sequence if self.encoder is None else self.encoder(sequence)
