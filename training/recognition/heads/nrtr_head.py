"""NRTRHead: a Transformer decoder that guides the features of a CTC head in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import paddle
from paddle import nn

from training.recognition.heads.labels import label_of, labels_of_decoder
from training.recognition.heads.nrtr_decoder import (
    DecoderBlock,
    PositionalEncoding,
    ScaledEmbedding,
    causal_mask,
)

_HEAD_WIDTH = 32
_DROPOUT = 0.1


class NRTRHead(nn.Layer):
    """Logits of the next symbol for every symbol of the label.

    Its labels `label_gtc` are 0 for padding, 1 for unknown, 2 at the beginning, 3 at the end, and
    the characters from 4 on. Reading without labels is not deployed and not built.

    Args:
        out_channels: K + 3, where K are the classes of CTC; the layers hold one symbol more,
            which no label has.
        nrtr_dim: C, width of the decoder; a head of attention for every 32.
        num_decoder_layers: blocks.

    Source: Sheng et al. 2018, NRTR (arXiv:1806.00926); PaddleOCR `rec_nrtr_head`.
    """

    output_name: ClassVar[str] = "gtc"
    num_more_classes: ClassVar[int] = 3
    """Its `out_channels` less K."""

    def __init__(self, out_channels: int, nrtr_dim: int = 256, num_decoder_layers: int = 4) -> None:
        super().__init__()
        num_symbols = out_channels + 1
        self.width = nrtr_dim
        self.embedding = ScaledEmbedding(num_symbols, nrtr_dim)
        self.positional_encoding = PositionalEncoding(nrtr_dim, _DROPOUT)
        num_heads = nrtr_dim // _HEAD_WIDTH
        self.decoder = nn.LayerList(
            [
                DecoderBlock(nrtr_dim, num_heads, 4 * nrtr_dim, _DROPOUT)
                for _ in range(num_decoder_layers)
            ]
        )
        attr = paddle.ParamAttr(initializer=nn.initializer.Normal(0.0, nrtr_dim**-0.5))
        self.tgt_word_prj = nn.Linear(nrtr_dim, num_symbols, weight_attr=attr, bias_attr=False)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a width that its heads of attention do not divide, and too few blocks."""
        problems = []
        width = options.get("nrtr_dim", 256)
        if width < _HEAD_WIDTH or width % 2 or width % (width // _HEAD_WIDTH):
            message = f"expected a multiple of {_HEAD_WIDTH}, got {width}"
            problems.append(("nrtr_dim", message))
        if options.get("num_decoder_layers", 4) < 1:
            message = f"expected at least 1, got {options['num_decoder_layers']}"
            problems.append(("num_decoder_layers", message))
        return problems

    def forward(self, memory: paddle.Tensor, batch: Any = None) -> paddle.Tensor:
        """Predict the symbols behind each beginning of the labels.

        Args:
            memory: features float32 [N, T, C].
            batch: with `label_gtc` int64 [N, L], L at least the longest text and 2, and `length`
                int64 [N], characters of each text.

        Returns:
            Logits float32 [N, longest text + 1, K + 4]: of the characters, then of the end.

        Raises:
            ConfigError: without labels.
        """
        labels = labels_of_decoder(batch, self.output_name, "NRTRHead")
        longest = int(label_of(batch, "length", "NRTRHead").max())
        symbols = labels[:, : longest + 1]
        x = self.positional_encoding(self.embedding(symbols))
        mask = causal_mask(symbols.shape[1])
        for block in self.decoder:
            x = block(x, memory, mask)
        return self.tgt_word_prj(x)
