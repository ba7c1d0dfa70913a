"""SVTRNet, a recogniser by attention alone: the teacher of PP-OCRv4 and SVTR itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np
import paddle
from paddle import nn

from runtime.errors import ConfigError
from training.backbones.attention import (
    Attention,
    ConvMixer,
    MixingBlock,
    constant,
    map_of,
    problem_of_heads,
    sequence_of,
)
from training.backbones.patches import ConvMerging, PoolMerging, patch_convs
from training.kernels import PointwiseConv2D

Triple = tuple[int, int, int]
Pair = tuple[int, int]
Mixer = Literal["Global", "Local", "Conv"]

_ACTIVATIONS = {"nn.GELU": nn.GELU, "nn.Swish": nn.Swish}
_MERGINGS = {"Conv": ConvMerging, "Pool": PoolMerging}
_ROW_STRIDE = 4
"""Of both mergings together."""


class PatchEmbedding(nn.Layer):
    """Convolutions of stride 2 from an image to its positions."""

    def __init__(self, in_channels: int, out_channels: int, num_halvings: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(*patch_convs(in_channels, out_channels, num_halvings))

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to float32 [N, out_channels, H', W']."""
        return self.proj(images)


class NestedConvMixer(nn.Layer):
    """A `ConvMixer` under PaddleOCR's name for it."""

    def __init__(self, channels: int, num_groups: int, kernel_size: Pair) -> None:
        super().__init__()
        self.local_mixer = ConvMixer(channels, num_groups, kernel_size)

    def forward(self, x: paddle.Tensor, rows: int) -> paddle.Tensor:
        """Map float32 [N, rows W, C] to the same shape."""
        return self.local_mixer(x, rows)


class SVTRNet(nn.Layer):
    """Three stages of mixing blocks over the patches of an image of one size.

    Positions are embedded, so that the size is part of the weights: images of any other raise
    ConfigError, and a deployed model reads this width alone.

    Args:
        in_channels: C of the image, 3.
        img_size: H and W of the image in px.
        embed_dim, depth, num_heads: channels, blocks and heads (or groups) of each stage.
        mixer: of each block: attention between all positions (`Global`) or within a window
            (`Local`), or a grouped convolution (`Conv`).
        local_mixer: height and width of each stage's windows or kernels, in positions.
        patch_merging: how rows are halved between stages; None or `None` for not at all.
        mlp_ratio: hidden channels of the perceptrons, as a multiple.
        qkv_bias: give queries, keys and values a bias.
        qk_scale: of the scores; None for one over the root of a head's channels.
        drop_rate, attn_drop_rate, last_drop: of dropout in blocks, on attention, at the end.
        drop_path_rate: of dropping the last block's branches; the blocks before have less.
        norm_layer, sub_norm, block_unit: PaddleOCR's choices here, and the only ones.
        epsilon: of LayerNorm.
        out_channels: C of the output with `last_stage`; without, it is embed_dim's last.
        out_char_num: T of the output with `last_stage`.
        act: activation of the perceptrons.
        last_stage: average rows and columns to T time steps; else all positions are returned.
        sub_num: a patch is 2^sub_num px wide and high.
        prenorm: normalise behind the branches; false, unlike its name, before them.
        use_lenhead: not supported.

    Source: Du et al. 2022, SVTR (arXiv:2205.00159); PaddleOCR `rec_svtrnet`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        img_size: Pair = (32, 100),
        embed_dim: Triple = (64, 128, 256),
        depth: Triple = (3, 6, 3),
        num_heads: Triple = (2, 4, 8),
        mixer: Sequence[Mixer] = ("Local",) * 6 + ("Global",) * 6,
        local_mixer: tuple[Pair, Pair, Pair] = ((7, 11), (7, 11), (7, 11)),
        patch_merging: Literal["Conv", "Pool", "None"] | None = "Conv",
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        last_drop: float = 0.1,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        norm_layer: Literal["nn.LayerNorm"] = "nn.LayerNorm",
        sub_norm: Literal["nn.LayerNorm"] = "nn.LayerNorm",
        epsilon: float = 1e-6,
        out_channels: int = 192,
        out_char_num: int = 25,
        block_unit: Literal["Block"] = "Block",
        act: Literal["nn.GELU", "nn.Swish"] = "nn.GELU",
        last_stage: bool = True,
        sub_num: Literal[2, 3] = 2,
        prenorm: bool = True,
        use_lenhead: Literal[False] = False,
    ) -> None:
        super().__init__()
        # Patches and where they stand.
        self.image_size = (img_size[0], img_size[1])
        self.patch_embed = PatchEmbedding(in_channels, embed_dim[0], sub_num)
        rows, columns = (size // 2**sub_num for size in img_size)
        self.pos_embed = self.create_parameter(
            [1, rows * columns, embed_dim[0]],
            default_initializer=nn.initializer.TruncatedNormal(std=0.02),
        )
        self.pos_drop = nn.Dropout(drop_rate)

        # Three stages; the later a block, the likelier its branches are dropped.
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
            activation=_ACTIVATIONS[act],
            drop_rate=drop_rate,
            epsilon=epsilon,
            normalizes_first=not prenorm,
        )
        merging = _MERGINGS.get(str(patch_merging))
        kinds, drop_path_rates = iter(mixer), iter(np.linspace(0, drop_path_rate, sum(depth)))
        for stage, (width, heads, extent) in enumerate(
            zip(embed_dim, num_heads, local_mixer, strict=True)
        ):
            blocks = nn.LayerList()
            for kind in islice(kinds, depth[stage]):
                if kind == "Conv":
                    mix = NestedConvMixer(width, heads, extent)
                elif kind == "Local":
                    mix = build_attention(width, heads, map_size=(rows, columns), window=extent)
                else:
                    mix = build_attention(width, heads)
                rate = float(next(drop_path_rates))
                blocks.append(build_block(width, mix, drop_path_rate=rate))
            self.add_sublayer(f"blocks{stage + 1}", blocks)
            if merging is not None and stage < 2:
                self.add_sublayer(f"sub_sample{stage + 1}", merging(width, embed_dim[stage + 1]))
                rows //= 2

        # What leaves: time steps, or all positions.
        self.out_channels = out_channels if last_stage else embed_dim[-1]
        self.norm = None if prenorm else nn.LayerNorm(embed_dim[-1], epsilon=epsilon)
        self.last_stage = last_stage
        if last_stage:
            means = _means_of_windows(rows, columns, out_char_num)
            self.register_buffer("means", constant(means), persistable=False)
            self.last_conv = PointwiseConv2D(embed_dim[-1], out_channels, 1, bias_attr=False)
            self.hardswish = nn.Hardswish()
            self.dropout = nn.Dropout(last_drop, mode="downscale_in_infer")

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report options that do not fit together."""
        chosen = {**_OPTIONS, **options}
        widths, num_blocks = chosen["embed_dim"], sum(chosen["depth"])
        found = []
        for width, num_heads in zip(widths, chosen["num_heads"], strict=True):
            message = problem_of_heads(width, num_heads)
            if message is not None:
                found.append(("embed_dim", message))
        if len(chosen["mixer"]) != num_blocks:
            message = f"expected one for each of {num_blocks} blocks, got {len(chosen['mixer'])}"
            found.append(("mixer", message))
        even = [list(pair) for pair in chosen["local_mixer"] if not all(side % 2 for side in pair)]
        if even and "Conv" in chosen["mixer"]:
            message = f"a convolution keeps the size of its map: expected odd sizes, got {even[0]}"
            found.append(("local_mixer", message))
        is_merged = chosen["patch_merging"] in _MERGINGS
        if not is_merged and len(set(widths)) > 1:
            message = f"only merging changes the width: expected equal ones, got {list(widths)}"
            found.append(("embed_dim", message))
        patch = 2 ** chosen["sub_num"]
        height_step = patch * _ROW_STRIDE if is_merged else patch
        height, width = chosen["img_size"]
        if height < 1 or height % height_step or width < 1 or width % patch:
            message = (
                f"expected multiples of {height_step} px in height and of {patch} px in width, "
                f"got {[height, width]}"
            )
            found.append(("img_size", message))
        if not chosen["last_stage"] and options.get("out_channels", widths[-1]) != widths[-1]:
            message = (
                f"without last_stage the output has embed_dim's last {widths[-1]} channels: "
                f"expected that or nothing, got {options['out_channels']}"
            )
            found.append(("out_channels", message))
        return found

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Run the stages.

        Args:
            images: float32 [N, 3, H, W] of `img_size`.

        Returns:
            float32 [N, out_channels, 1, T]; without `last_stage` the sequence [N, L, C] of all
            positions, L = 3 W / 4 for 48 px.

        Raises:
            ConfigError: an image of another size, or a width left open.
        """
        if (images.shape[2], images.shape[3]) != self.image_size:
            raise ConfigError(self._problem_of_size(images.shape[2:]))
        patches = self.patch_embed(images)
        x, rows = self.pos_drop(sequence_of(patches) + self.pos_embed), patches.shape[2]
        for stage in (1, 2, 3):
            for block in getattr(self, f"blocks{stage}"):
                x = block(x, rows)
            if hasattr(self, f"sub_sample{stage}"):
                x, rows = getattr(self, f"sub_sample{stage}")(x, rows)
        if self.norm is not None:
            x = self.norm(x)
        if not self.last_stage:
            return x
        steps = map_of(paddle.matmul(self.means, x), rows=1)
        return self.dropout(self.hardswish(self.last_conv(steps)))

    def _problem_of_size(self, size: Sequence[int]) -> str:
        expected, got = (
            " x ".join("any" if side < 0 else str(side) for side in sides)
            for sides in (self.image_size, size)
        )
        return (
            f"SVTRNet reads images of one size: expected img_size {expected} px (H x W), got "
            f"{got}; pad every line to that width (loader: width_step 0 and max_width "
            f"{self.image_size[1]}) or choose another backbone"
        )


def _means_of_windows(rows: int, columns: int, num_steps: int) -> np.ndarray:
    """Return adaptive average pooling of a map to one row as a matrix [T, rows columns].

    A constant product can be exported whatever the sizes; adaptive pooling, where they divide.
    """
    means = np.zeros((num_steps, rows, columns))
    for step in range(num_steps):
        window = slice(step * columns // num_steps, -(-(step + 1) * columns // num_steps))
        means[step, :, window] = 1.0 / (rows * (window.stop - window.start))
    return means.reshape(num_steps, -1)


_OPTIONS = {
    name: parameter.default
    for name, parameter in inspect.signature(SVTRNet).parameters.items()
    if name != "in_channels"
}
