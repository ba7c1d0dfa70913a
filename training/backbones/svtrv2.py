"""SVTRv2: convolutions first, then attention, at any width: the teacher of RepSVTR."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, Literal

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F

from runtime.errors import ConfigError
from training.backbones.attention import (
    Attention,
    ConvMixer,
    MixingBlock,
    map_of,
    problem_of_heads,
    sequence_of,
)
from training.backbones.patches import ConvMerging, patch_convs

log = logging.getLogger(__name__)

Pair = tuple[int, int]
Mixer = Literal["Conv", "Global"]

_PATCH_HALVINGS = 2
_KERNEL_SIZE = (5, 5)


class PositionEmbedding(nn.Layer):
    """Adds a learned vector to each position of a map.

    Args:
        max_rows, max_columns: of the largest map.
        channels: C.
    """

    def __init__(self, max_rows: int, max_columns: int, channels: int) -> None:
        super().__init__()
        self.pos_embed = self.create_parameter(
            [1, channels, max_rows, max_columns],
            default_initializer=nn.initializer.TruncatedNormal(std=0.02),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to the same shape; raises ConfigError on a larger map."""
        rows, columns = x.shape[2:]
        max_rows, max_columns = self.pos_embed.shape[2:]
        if rows > max_rows or columns > max_columns:
            patch = 2**_PATCH_HALVINGS
            raise ConfigError(
                f"SVTRv2 knows positions of {patch * max_rows} x {patch * max_columns} px at most, "
                f"got an image of {patch * rows} x {patch * columns}; raise max_sz"
            )
        # A width that is open while tracing has to be asked for in the graph.
        if columns < 0:
            columns = paddle.shape(x)[3]
        return x + self.pos_embed[:, :, :rows, :columns]


class PatchEmbedding(nn.Layer):
    """Convolutions of stride 2 from an image to a map of its positions."""

    def __init__(self, in_channels: int, out_channels: int, max_size: Pair | None) -> None:
        super().__init__()
        layers = patch_convs(in_channels, out_channels, _PATCH_HALVINGS)
        if max_size is not None:
            rows, columns = (size // 2**_PATCH_HALVINGS for size in max_size)
            layers.append(PositionEmbedding(rows, columns, out_channels))
        self.patch_embed = nn.Sequential(*layers)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, 3, H, W] to float32 [N, out_channels, H / 4, W / 4]."""
        return self.patch_embed(images)


class Stage(nn.Layer):
    """Mixing blocks, then a merging of rows.

    Args:
        blocks: by their place in PaddleOCR's list, where convolutions and attention are parted by
            a layer that only turns axes.
        merging: to the next stage; None for the last.
    """

    def __init__(self, blocks: Mapping[str, nn.Layer], merging: nn.Layer | None) -> None:
        super().__init__()
        self.blocks = nn.LayerDict(dict(blocks))
        self.downsample = merging

    def forward(self, x: paddle.Tensor, rows: int) -> tuple[paddle.Tensor, int]:
        """Map float32 [N, rows W, C] to float32 [N, rows' W', C'] and rows'."""
        for block in self.blocks.values():
            x = block(x, rows)
        return (x, rows) if self.downsample is None else self.downsample(x, rows)


class LastStage(nn.Layer):
    """Mean of the rows, a linear layer, hard-swish, dropout."""

    def __init__(self, in_channels: int, out_channels: int, drop_rate: float) -> None:
        super().__init__()
        self.last_conv = nn.Linear(
            in_channels,
            out_channels,
            weight_attr=paddle.ParamAttr(initializer=nn.initializer.TruncatedNormal(std=0.02)),
            bias_attr=False,
        )
        self.dropout = nn.Dropout(drop_rate, mode="downscale_in_infer")

    def forward(self, x: paddle.Tensor, rows: int) -> tuple[paddle.Tensor, int]:
        """Map float32 [N, rows W, C] to float32 [N, W, out_channels] and 1, its rows."""
        columns = x.reshape([0, rows, -1, self.last_conv.weight.shape[0]]).mean(axis=1)
        return self.dropout(F.hardswish(self.last_conv(columns))), 1


class SVTRv2(nn.Layer):
    """Stages of convolution and attention over the patches of an image.

    Args:
        in_channels: C of the image, 3.
        max_sz: H and W in px of the largest image, for `use_pos_embed` alone.
        out_channels: C of the output with `last_stage`; without, it is dims' last.
        out_char_num: without effect, as in PaddleOCR.
        depths, dims, num_heads: blocks, channels and heads (or groups) of each stage.
        mixer: of each block of each stage: first all `Conv` (5 x 5), then all `Global`.
        use_pos_embed: embed positions, up to `max_sz`.
        sub_k: vertical and horizontal stride between stages; the last stage's is not used.
        mlp_ratio: hidden channels of the perceptrons, as a multiple.
        qkv_bias: give queries, keys and values a bias.
        qk_scale: of the scores; None for one over the root of a head's channels.
        drop_rate, attn_drop_rate: without effect, as in PaddleOCR, whose stages do not pass them
            on, unless `uses_drop_rates`.
        last_drop: of dropout behind `last_stage`.
        drop_path_rate: of dropping the last block's branches; the blocks before have less.
        last_stage: average the rows.
        eps: of LayerNorm.
        use_pool: average the rows and pairs of columns.
        feat2d: return a map.
        uses_drop_rates: drop out in the blocks at `drop_rate` and `attn_drop_rate`.

    Source: Du et al. 2024, SVTRv2 (arXiv:2411.15858); PaddleOCR `rec_svtrv2`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        max_sz: Pair = (32, 128),
        out_channels: int = 192,
        out_char_num: int = 25,
        depths: Sequence[int] = (3, 6, 3),
        dims: Sequence[int] = (64, 128, 256),
        mixer: Sequence[Sequence[Mixer]] = (
            ("Conv",) * 3,
            ("Conv",) * 3 + ("Global",) * 3,
            ("Global",) * 3,
        ),
        use_pos_embed: bool = False,
        sub_k: Sequence[Pair] = ((1, 1), (2, 1), (1, 1)),
        num_heads: Sequence[int] = (2, 4, 8),
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        last_drop: float = 0.1,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        last_stage: bool = False,
        eps: float = 1e-6,
        use_pool: bool = False,
        feat2d: bool = False,
        uses_drop_rates: bool = False,
    ) -> None:
        super().__init__()
        if not uses_drop_rates:
            if drop_rate or attn_drop_rate:
                _warn_of_drop_rates()
            drop_rate = attn_drop_rate = 0.0
        self.pope = PatchEmbedding(in_channels, dims[0], max_sz if use_pos_embed else None)
        build_attention = partial(
            Attention,
            has_bias=qkv_bias,
            scale=qk_scale,
            attention_drop_rate=attn_drop_rate,
            drop_rate=drop_rate,
        )
        build_block = partial(
            MixingBlock,
            mlp_ratio=mlp_ratio,
            activation=nn.GELU,
            drop_rate=drop_rate,
            epsilon=eps,
        )
        drop_path_rates = iter(np.linspace(0, drop_path_rate, sum(depths)))
        self.stages = nn.LayerList()
        for stage, (width, kinds, heads) in enumerate(zip(dims, mixer, num_heads, strict=True)):
            # PaddleOCR's list has a layer without weights where attention begins.
            num_convs = kinds.count("Conv")
            blocks = {}
            for index, kind in enumerate(kinds):
                place = index + (0 < num_convs <= index)
                if kind == "Conv":
                    mix = ConvMixer(width, heads, _KERNEL_SIZE)
                else:
                    mix = build_attention(width, heads)
                rate = float(next(drop_path_rates))
                blocks[str(place)] = build_block(width, mix, drop_path_rate=rate)
            merging = None
            if stage < len(dims) - 1:
                merging = ConvMerging(width, dims[stage + 1], sub_k[stage])
            self.stages.append(Stage(blocks, merging))
        self.out_channels = dims[-1]
        if last_stage:
            self.stages.append(LastStage(dims[-1], out_channels, last_drop))
            self.out_channels = out_channels
        self.use_pool, self.feat2d = use_pool, feat2d

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report options that do not fit together."""
        chosen = {**_OPTIONS, **options}
        num_stages = len(chosen["depths"])
        found = []
        for key in ("dims", "mixer", "num_heads", "sub_k"):
            if len(chosen[key]) != num_stages or num_stages == 0:
                message = f"expected one for each of {num_stages} stages, got {len(chosen[key])}"
                found.append((key, message))
        if found:
            return found
        for width, num_heads in zip(chosen["dims"], chosen["num_heads"], strict=True):
            misfit = problem_of_heads(width, num_heads)
            if misfit is not None:
                found.append(("dims", misfit))
        for num_blocks, kinds in zip(chosen["depths"], chosen["mixer"], strict=True):
            if len(kinds) != num_blocks:
                message = f"expected one for each of {num_blocks} blocks, got {list(kinds)}"
                found.append(("mixer", message))
        in_order = [kind for kinds in chosen["mixer"] for kind in kinds]
        if in_order != sorted(in_order):
            message = "expected Conv blocks before Global ones through all stages, got Conv behind"
            found.append(("mixer", f"{message} Global"))
        if chosen["use_pool"] and chosen["feat2d"]:
            found.append(("feat2d", "use_pool returns a map already: expected one of the two"))
        return found

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Run the stages.

        Args:
            images: float32 [N, 3, H, W].

        Returns:
            float32 [N, out_channels, 1, W / 8] with `use_pool`, [N, out_channels, H', W'] with
            `feat2d`, else the sequence [N, H' W', out_channels].
        """
        patches = self.pope(images)
        x, rows = sequence_of(patches), patches.shape[2]
        for stage in self.stages:
            x, rows = stage(x, rows)
        if self.use_pool:
            return F.avg_pool2d(map_of(x, rows), [rows, 2])
        return map_of(x, rows) if self.feat2d else x


@cache
def _warn_of_drop_rates() -> None:
    """Say once that rates which a config gives have no effect."""
    log.warning(
        "SVTRv2: drop_rate and attn_drop_rate have no effect, as in PaddleOCR; "
        "uses_drop_rates: true makes them count"
    )


_OPTIONS = {
    name: parameter.default
    for name, parameter in inspect.signature(SVTRv2).parameters.items()
    if name != "in_channels"
}
