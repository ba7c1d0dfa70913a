"""Encoders by LSTM: a sequence of features -> one that knows its surroundings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import paddle
from paddle import nn


class EncoderWithRNN(nn.Layer):
    """Two bidirectional LSTM layers.

    Args:
        in_channels: C of the sequence.
        hidden_size: of each direction.
    """

    takes_map: ClassVar[bool] = False

    def __init__(self, in_channels: int, hidden_size: int = 48) -> None:
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
    """Bidirectional LSTMs one behind another, each with its own width.

    Args:
        in_channels: C of the sequence.
        hidden_size: of each direction.
        out_channels: of each layer.
        num_layers: how many.
        with_linear: a linear layer behind each LSTM brings it to its width.
    """

    takes_map: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        hidden_size: int = 48,
        out_channels: Sequence[int] = (),
        num_layers: int = 2,
        with_linear: bool = False,
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

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report widths that do not fit the layers."""
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
        """Map float32 [N, T, C] to float32 [N, T, out_channels[-1]]."""
        for layer in self.encoder:
            x = layer(x)
        return x
