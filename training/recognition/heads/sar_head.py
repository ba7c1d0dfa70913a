"""SARHead: an attention decoder that guides the features of a CTC head in training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.kernels import Linear
from training.recognition.heads.labels import label_of, labels_of_decoder

_DROPOUTS = ("enc_drop_rnn", "dec_drop_rnn", "pred_dropout")


class SAREncoder(nn.Layer):
    """Two recurrent layers over the columns; the state at the last valid one is a line's summary.

    Args:
        in_channels: C of the features.
        width: of the recurrent layers.
        is_bidirectional, is_gru: kind of the recurrent layers.
        dropout: probability between them.
    """

    def __init__(
        self, in_channels: int, width: int, is_bidirectional: bool, is_gru: bool, dropout: float
    ) -> None:
        super().__init__()
        self.rnn_encoder = _recurrent(in_channels, width, is_bidirectional, is_gru, dropout)
        self.out_channels = 2 * width if is_bidirectional else width
        self.linear = Linear(self.out_channels, self.out_channels)

    def forward(self, features: paddle.Tensor, num_columns: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] and valid columns int64 [N] to float32 [N, out_channels]."""
        columns = F.max_pool2d(features, [features.shape[2], 1], stride=1).squeeze(2)
        states = self.rnn_encoder(columns.transpose([0, 2, 1]))[0]
        last = (num_columns - 1).reshape([-1, 1, 1])
        return self.linear(paddle.take_along_axis(states, last, axis=1).squeeze(1))


class SARDecoder(nn.Layer):
    """Two recurrent layers over the labels, whose state at each step attends to the features.

    A small network compares the state with every place of the features; the average of the
    features by the softmax of that, the state and the line's summary predict the symbol.

    Args:
        out_channels: K + 2, symbols of the labels; the last one is padding.
        in_channels: C of the features.
        encoder_width: of the line's summary, and of the recurrent layers.
        is_bidirectional, is_gru: kind of the recurrent layers.
        dropout: probability between them.
        d_k: width of the comparison.
        pred_dropout: probability of a logit to be dropped.
        pred_concat: predict from state and summary too, not from the features alone.
    """

    def __init__(
        self,
        out_channels: int,
        in_channels: int,
        encoder_width: int,
        is_bidirectional: bool,
        is_gru: bool,
        dropout: float,
        d_k: int,
        pred_dropout: float,
        pred_concat: bool,
    ) -> None:
        super().__init__()
        width = 2 * encoder_width if is_bidirectional else encoder_width
        self.conv1x1_1 = Linear(width, d_k)
        self.conv3x3_1 = nn.Conv2D(in_channels, d_k, 3, padding=1)
        self.conv1x1_2 = nn.Linear(d_k, 1)
        self.rnn_decoder = _recurrent(
            encoder_width, encoder_width, is_bidirectional, is_gru, dropout
        )
        self.embedding = nn.Embedding(out_channels, encoder_width, padding_idx=out_channels - 1)
        predicts_from = in_channels + (width + encoder_width if pred_concat else 0)
        self.prediction = Linear(predicts_from, out_channels - 1)
        self.pred_dropout = nn.Dropout(pred_dropout)
        self.pred_concat = pred_concat

    def forward(
        self,
        features: paddle.Tensor,
        summary: paddle.Tensor,
        labels: paddle.Tensor,
        num_columns: paddle.Tensor,
    ) -> paddle.Tensor:
        """Predict the symbol behind each symbol of the labels.

        Args:
            features: float32 [N, C, H, W].
            summary: of each line, float32 [N, encoder_width].
            labels: int64 [N, L].
            num_columns: valid ones of each line, int64 [N].

        Returns:
            Logits float32 [N, L, K + 1].
        """
        summary = summary.unsqueeze(1)
        inputs = paddle.concat([summary, self.embedding(labels)], axis=1)
        # The first step has read no label, and nothing is predicted from it.
        states = self.rnn_decoder(inputs)[0][:, 1:]
        evidence = self._attend(states, features, num_columns)
        if self.pred_concat:
            summaries = summary.expand([-1, states.shape[1], -1])
            evidence = paddle.concat([states, evidence, summaries], axis=2)
        return self.pred_dropout(self.prediction(evidence))

    def _attend(
        self, states: paddle.Tensor, features: paddle.Tensor, num_columns: paddle.Tensor
    ) -> paddle.Tensor:
        """Average the features [N, C, H, W] for each state [N, L, C'] to [N, L, C]."""
        keys = self.conv3x3_1(features).flatten(2).transpose([0, 2, 1])
        compared = paddle.tanh(self.conv1x1_1(states).unsqueeze(2) + keys.unsqueeze(1))
        scores = self.conv1x1_2(compared).squeeze(3)
        height, width = features.shape[2:]
        is_beyond = paddle.arange(width) >= num_columns.unsqueeze(1)
        is_beyond = is_beyond.tile([1, height]).unsqueeze(1)
        scores = paddle.masked_fill(scores, is_beyond, -math.inf)
        return paddle.matmul(F.softmax(scores, axis=2), features.flatten(2), transpose_y=True)


class SARHead(nn.Layer):
    """Logits of the next symbol for every symbol of the label.

    Its labels `label_sar` are the characters from 0 on, K - 1 for unknown, K at the beginning and
    at the end, and K + 1 for padding. Reading without labels is not deployed and not built.

    Args:
        in_channels: C of the backbone.
        out_channels: K + 2, where K are the classes of CTC; padding is not predicted.
        enc_dim: width of the recurrent layers.
        enc_bi_rnn, enc_gru, enc_drop_rnn: the encoder's layers read both ways; are GRU, not LSTM;
            have dropout between them.
        dec_bi_rnn, dec_gru, dec_drop_rnn: the same of the decoder.
        d_k: width of the attention.
        pred_dropout: probability of a logit to be dropped.
        pred_concat: predict from state and summary too, not from the attended features alone.

    Source: Li et al. 2019, Show, Attend and Read (arXiv:1811.00751); PaddleOCR `rec_sar_head`.
    """

    output_name: ClassVar[str] = "sar"
    num_more_classes: ClassVar[int] = 2
    """Its `out_channels` less K."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        enc_dim: int = 512,
        enc_bi_rnn: bool = False,
        enc_drop_rnn: float = 0.1,
        enc_gru: bool = False,
        dec_bi_rnn: bool = False,
        dec_drop_rnn: float = 0.0,
        dec_gru: bool = False,
        d_k: int = 512,
        pred_dropout: float = 0.1,
        pred_concat: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = SAREncoder(in_channels, enc_dim, enc_bi_rnn, enc_gru, enc_drop_rnn)
        self.decoder = SARDecoder(
            out_channels,
            in_channels,
            self.encoder.out_channels,
            dec_bi_rnn,
            dec_gru,
            dec_drop_rnn,
            d_k,
            pred_dropout,
            pred_concat,
        )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report probabilities that are none, and widths below 1."""
        problems = [
            (key, f"expected a probability below 1, got {options[key]}")
            for key in _DROPOUTS
            if not 0 <= options.get(key, 0.0) < 1
        ]
        for key in ("enc_dim", "d_k"):
            if options.get(key, 1) < 1:
                problems.append((key, f"expected at least 1, got {options[key]}"))
        return problems

    def forward(self, features: paddle.Tensor, batch: Any = None) -> paddle.Tensor:
        """Predict the symbol behind each symbol of the labels.

        Args:
            features: float32 [N, C, H, W].
            batch: with `label_sar` int64 [N, L] and `valid_ratio` float [N], the share of each
                image's width that is not padding.

        Returns:
            Logits float32 [N, L, K + 1].

        Raises:
            ConfigError: without labels.
        """
        labels = labels_of_decoder(batch, self.output_name, "SARHead")
        width = features.shape[3]
        num_columns = paddle.ceil(label_of(batch, "valid_ratio", "SARHead") * width)
        num_columns = num_columns.astype("int64").clip(1, width)
        summary = self.encoder(features, num_columns)
        return self.decoder(features, summary, labels, num_columns)


def _recurrent(
    in_channels: int, width: int, is_bidirectional: bool, is_gru: bool, dropout: float
) -> nn.LSTM | nn.GRU:
    """Build two recurrent layers."""
    return (nn.GRU if is_gru else nn.LSTM)(
        in_channels,
        width,
        num_layers=2,
        direction="bidirectional" if is_bidirectional else "forward",
        dropout=dropout,
    )
