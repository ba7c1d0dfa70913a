"""The loss of differentiable binarization: three maps, and those of further heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import paddle
from paddle import nn

from training.detection.losses.maps import (
    EPS,
    BalancedLoss,
    DiceFocalLoss,
    DiceLoss,
    MapLoss,
    MaskedL1Loss,
    losses_of_maps,
)
from training.detection.warn import warn_once
from training.losses import TOTAL

Maps = Mapping[str, paddle.Tensor]
"""A head's outputs in training, by name."""
Batch = Mapping[str, Any]
MAIN_LOSSES = ("DiceLoss", "DiceFocalLoss", "BCELoss")
SHRINK, THRESHOLD, BINARY = 0, 1, 2
"""Channels of `maps`."""
_LEVELS = ("p4", "p3", "p2")


class DBLoss(nn.Layer):
    """Losses of the shrunken text, of the threshold around it, and of the binary map, added.

    Args:
        balance_loss: take text and the hardest pixels of the background, see `BalancedLoss`.
        main_loss_type: of the shrunken text: `DiceLoss`, `DiceFocalLoss`, which is then that of
            the binary map too, or `BCELoss`, which PaddleOCR had until 2024.
        alpha: weight of the shrunken text.
        beta: weight of the threshold.
        ohem_ratio: pixels of background to a pixel of text; has no effect with `DiceLoss`.
        eps: against division by zero.
        aux_weight_p4, aux_weight_p3, aux_weight_p2: weights of the auxiliary heads' losses, which
            are logged without them.
        focal_alpha, focal_gamma, dice_weight, focal_weight: as `DiceFocalLoss` takes them.

    Source: Liao et al. 2020 (arXiv:1911.08947); PaddleOCR `det_db_loss`.
    """

    def __init__(
        self,
        balance_loss: bool = True,
        main_loss_type: Literal["DiceLoss", "DiceFocalLoss", "BCELoss"] = "DiceLoss",
        alpha: float = 5,
        beta: float = 10,
        ohem_ratio: float = 3,
        eps: float = EPS,
        aux_weight_p4: float = 0.0,
        aux_weight_p3: float = 0.0,
        aux_weight_p2: float = 0.0,
        focal_alpha: float = 0.25,
        focal_gamma: float = 2.0,
        dice_weight: float = 1.0,
        focal_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.alpha, self.beta, self.eps = alpha, beta, eps
        weights = (aux_weight_p4, aux_weight_p3, aux_weight_p2)
        self.auxiliary_weights = dict(zip(_LEVELS, weights, strict=True))
        self.of_threshold = MaskedL1Loss(eps)
        self.of_binary: MapLoss = DiceLoss(eps)
        self.of_text: MapLoss = self.of_binary
        if main_loss_type == "DiceFocalLoss":
            self.of_binary = DiceFocalLoss(dice_weight, focal_weight, focal_alpha, focal_gamma, eps)
            self.of_text = self.of_binary
        elif balance_loss or main_loss_type == "BCELoss":
            self.of_text = BalancedLoss(main_loss_type, ohem_ratio)
        if main_loss_type == "DiceLoss" and balance_loss:
            warn_once(
                "DBLoss: ohem_ratio has no effect on DiceLoss, as in PaddleOCR; main_loss_type "
                "BCELoss looks for the hardest pixels, balance_loss: false also learns from a "
                "batch without any text"
            )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report cross entropy without a choice of pixels, which background would drown."""
        if options.get("main_loss_type") == "BCELoss" and not options.get("balance_loss", True):
            return [("balance_loss", "BCELoss chooses among the background: expected true")]
        return []

    @staticmethod
    def head_outputs(options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return which outputs of a head the loss takes."""
        return ("maps",)

    def forward(self, outputs: Maps, batch: Batch) -> dict[str, paddle.Tensor]:
        """Compare a head's maps with the labels.

        Args:
            outputs: `maps` float32 [N, 3, H, W], perhaps `cbn_maps` [N, 1, H, W] and `aux_maps_p4`
                and so on as `maps`.
            batch: `threshold_map`, `threshold_mask`, `shrink_map`, `shrink_mask`, float32
                [N, H, W].

        Returns:
            Each part, a scalar, under PaddleOCR's name, and under `loss` what counts.
        """
        names = ("loss_shrink_maps", "loss_threshold_maps", "loss_binary_maps")
        parts = dict(zip(names, self._of_maps(outputs["maps"], batch), strict=True))
        parts["loss_cbn"] = paddle.zeros([])
        if "cbn_maps" in outputs:
            text = batch["shrink_map"], batch["shrink_mask"]
            (parts["loss_cbn"],) = losses_of_maps(outputs["cbn_maps"], [self.of_text], text)
        total = paddle.add_n(list(parts.values()))
        for level, weight in self.auxiliary_weights.items():
            name = f"aux_maps_{level}"
            if weight > 0 and name in outputs:
                parts[f"loss_{name}"] = paddle.add_n(self._of_maps(outputs[name], batch))
                total = total + weight * parts[f"loss_{name}"]
        return {**parts, TOTAL: total}

    def of_regions(
        self, maps: paddle.Tensor, label: paddle.Tensor, mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Compare maps float32 [N, 3, H, W] with text alone, which says nothing of a threshold.

        Args:
            maps: as `forward` takes them.
            label, mask: float32 [N, H, W].

        Returns:
            The weighted losses of the other two maps, added: a scalar.
        """
        losses = [self.of_text, None, self.of_binary]
        text, binary = losses_of_maps(maps, losses, (label, mask))
        return self.alpha * text + binary

    def _of_maps(self, maps: paddle.Tensor, batch: Batch) -> list[paddle.Tensor]:
        """Return the weighted losses of three maps float32 [N, 3, H, W]."""
        text, distance, binary = losses_of_maps(
            maps,
            [self.of_text, self.of_threshold, self.of_binary],
            (batch["shrink_map"], batch["shrink_mask"]),
            (batch["threshold_map"], batch["threshold_mask"]),
        )
        return [self.alpha * text, self.beta * distance, binary]
