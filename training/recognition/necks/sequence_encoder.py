"""SequenceEncoder: features of an image -> one vector per time step."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import paddle
from paddle import nn

from runtime.errors import ConfigError
from training.backbones.layers import uniform_attr
from training.recognition.necks.recurrent import EncoderWithCascadeRNN, EncoderWithRNN
from training.recognition.necks.svtr import EncoderWithLightSVTR, EncoderWithSVTR
from training.registry import unknown_name

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

    takes_map: ClassVar[bool] = False

    def __init__(self, in_channels: int, hidden_size: int = 48) -> None:
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


ENCODERS: Mapping[str, type[nn.Layer] | None] = {
    "reshape": None,
    "fc": EncoderWithFC,
    "rnn": EncoderWithRNN,
    "cascadernn": EncoderWithCascadeRNN,
    "svtr": EncoderWithSVTR,
    "lightsvtr": EncoderWithLightSVTR,
}
"""Of each encoder type; `reshape` has none."""


class SequenceEncoder(nn.Layer):
    """Turns a one-row feature map into a sequence and encodes it.

    An option that is not given has the default of the chosen encoder, whose class says what it is.

    Args:
        in_channels: C of the backbone.
        encoder_type: one of `ENCODERS`: `reshape` (nothing more), `fc`, `rnn`, `cascadernn`, or
            the attention of `svtr` and `lightsvtr`.
        hidden_size: size of the linear layer or of each LSTM direction; others ignore it.
        out_channels, num_layers, with_linear: of `cascadernn`.
        dims, depth, use_guide, num_heads, qkv_bias, mlp_ratio, drop_rate, attn_drop_rate,
            drop_path, qk_scale: of `svtr` and `lightsvtr`.
        hidden_dims, kernel_size: of `svtr`.
        local_kernel: of `lightsvtr`.

    Raises:
        ConfigError: options that the chosen encoder does not have, or that do not fit together.

    Source: Shi et al. 2015, CRNN (arXiv:1507.05717); PaddleOCR `necks/rnn`.
    """

    def __init__(
        self,
        in_channels: int,
        encoder_type: Literal["reshape", "fc", "rnn", "cascadernn", "svtr", "lightsvtr"],
        hidden_size: int | None = None,
        out_channels: Sequence[int] | None = None,
        num_layers: int | None = None,
        with_linear: bool | None = None,
        dims: int | None = None,
        depth: int | None = None,
        hidden_dims: int | None = None,
        use_guide: bool | None = None,
        num_heads: int | None = None,
        qkv_bias: bool | None = None,
        mlp_ratio: float | None = None,
        drop_rate: float | None = None,
        attn_drop_rate: float | None = None,
        drop_path: float | None = None,
        kernel_size: tuple[int, int] | None = None,
        qk_scale: float | None = None,
        local_kernel: int | None = None,
    ) -> None:
        arguments = {key: value for key, value in locals().items() if key in _OPTIONS}
        super().__init__()
        options = {key: value for key, value in arguments.items() if value is not None}
        for key, message in self.problems_of({"encoder_type": encoder_type, **options}):
            raise ConfigError(f"SequenceEncoder.{key}: {message}")
        self.encoder_reshape = Im2Seq()
        self.encoder, self.out_channels = None, in_channels
        encoder = ENCODERS[encoder_type]
        if encoder is not None:
            known = _options_of(encoder)
            options = {key: value for key, value in options.items() if key in known}
            self.encoder = encoder(in_channels, **options)
            self.out_channels = self.encoder.out_channels

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report options of another encoder, and those that do not fit together.

        Args:
            options: of the right types; None stands for one that is not given.
        """
        encoder_type = str(options.get("encoder_type"))
        if encoder_type not in ENCODERS:
            return [("encoder_type", unknown_name("encoder", encoder_type, ENCODERS))]
        encoder = ENCODERS[encoder_type]
        given = {key: value for key, value in options.items() if value is not None}
        known = {"encoder_type", *_EVERYWHERE, *(_options_of(encoder) if encoder else ())}
        foreign = sorted(given.keys() - known)
        if foreign:
            return [(key, _foreign(key, encoder_type, known)) for key in foreign]
        find_more = getattr(encoder, "problems_of", None)
        return find_more(given) if find_more is not None else []

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map a map to its sequence.

        Args:
            x: float32 [N, C, 1, T].

        Returns:
            float32 [N, T, out_channels].

        Raises:
            ConfigError: the backbone left another number of rows, or a sequence already.
        """
        if len(x.shape) != 4:
            raise ConfigError(
                f"the neck takes a map [N, C, 1, T], got {list(x.shape)}; with SVTRNet's "
                "last_stage: false set Head.use_pool: true of MultiHead, with SVTRv2 its use_pool"
            )
        if self.encoder is None:
            return self.encoder_reshape(x)
        if self.encoder.takes_map:
            return self.encoder_reshape(self.encoder(x))
        return self.encoder(self.encoder_reshape(x))


_OPTIONS = frozenset(inspect.signature(SequenceEncoder).parameters) - {
    "in_channels",
    "encoder_type",
}
_EVERYWHERE = frozenset({"hidden_size"})
"""PaddleOCR's own option of SequenceEncoder, given to every encoder that has it."""


def _options_of(encoder: type[nn.Layer]) -> frozenset[str]:
    """Return the names of an encoder's options."""
    return frozenset(inspect.signature(encoder).parameters) - {"in_channels"}


def _foreign(key: str, encoder_type: str, known: set[str]) -> str:
    """Compose the message for an option that the chosen encoder does not have."""
    owners = [name for name, encoder in ENCODERS.items() if encoder and key in _options_of(encoder)]
    if not owners:
        return unknown_name(f"option of {encoder_type}", key, known - {"encoder_type"})
    options = ", ".join(sorted(known - {"encoder_type"}))
    return f"an option of {' and '.join(owners)}: expected one of {encoder_type}'s {options}"
