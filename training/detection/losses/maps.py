"""Losses of one map [N, H, W]: how it differs from its label where a mask is 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.kernels.maps import (
    BorderTerm,
    EntropyTerm,
    Label,
    RegionTerm,
    map_losses,
    serves_maps,
)

EPS = 1e-6


def dice_loss(
    prediction: paddle.Tensor, label: paddle.Tensor, mask: paddle.Tensor, eps: float = EPS
) -> paddle.Tensor:
    """Return 1 minus the share of text that prediction and label have in common.

    Args:
        prediction: float32 [N, H, W], values 0 .. 1.
        label, mask: of the same shape, values 0 and 1.
        eps: added to the denominator.

    Returns:
        A scalar of the whole batch.

    Source: Milletari et al. 2016 (arXiv:1606.04797); PaddleOCR `det_basic_loss.DiceLoss`.
    """
    common = (prediction * label * mask).sum()
    return 1 - 2.0 * common / ((prediction * mask).sum() + (label * mask).sum() + eps)


def masked_l1_loss(
    prediction: paddle.Tensor, label: paddle.Tensor, mask: paddle.Tensor, eps: float = EPS
) -> paddle.Tensor:
    """Return the mean distance of two maps float32 [N, H, W] where a mask is 1: a scalar."""
    return ((prediction - label).abs() * mask).sum() / (mask.sum() + eps)


def focal_loss(
    prediction: paddle.Tensor,
    label: paddle.Tensor,
    mask: paddle.Tensor,
    alpha: float,
    gamma: float,
    eps: float = EPS,
) -> paddle.Tensor:
    """Return the mean focal loss where a mask is 1.

    Args:
        prediction, label, mask: as `dice_loss` takes them.
        alpha: weight of text against background, 0 .. 1.
        gamma: how much less the pixels count that are right already.
        eps: probabilities stay that far from 0 and 1.

    Returns:
        A scalar.

    Source: Lin et al. 2017 (arXiv:1708.02002); PaddleOCR `det_basic_loss.MaskedFocalLoss`.
    """
    prediction = paddle.clip(prediction, eps, 1.0 - eps)
    logits = paddle.log(prediction / (1.0 - prediction))
    losses = F.sigmoid_focal_loss(
        logits, label, normalizer=None, alpha=alpha, gamma=gamma, reduction="none"
    )
    return (losses * mask).sum() / (mask.sum() + eps)


class DiceLoss(nn.Layer):
    """`dice_loss` as a layer."""

    def __init__(self, eps: float = EPS) -> None:
        super().__init__()
        self.eps = eps
        self.term = RegionTerm(eps)

    def forward(
        self, prediction: paddle.Tensor, label: paddle.Tensor, mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Compare two maps float32 [N, H, W] where a mask is 1; return a scalar."""
        return dice_loss(prediction, label, mask, self.eps)


class MaskedL1Loss(nn.Layer):
    """`masked_l1_loss` as a layer."""

    def __init__(self, eps: float = EPS) -> None:
        super().__init__()
        self.eps = eps
        self.term = BorderTerm(eps)

    def forward(
        self, prediction: paddle.Tensor, label: paddle.Tensor, mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Compare two maps float32 [N, H, W] where a mask is 1; return a scalar."""
        return masked_l1_loss(prediction, label, mask, self.eps)


class DiceFocalLoss(nn.Layer):
    """`dice_loss` for whole regions and `focal_loss` for single pixels, added.

    Args:
        dice_weight, focal_weight: factors of the two.
        focal_alpha, focal_gamma: as `focal_loss` takes them.
        eps: as both take it.

    Source: PaddleOCR `det_basic_loss`; PP-OCRv6.
    """

    def __init__(
        self,
        dice_weight: float,
        focal_weight: float,
        focal_alpha: float,
        focal_gamma: float,
        eps: float,
    ) -> None:
        super().__init__()
        self.weights = dice_weight, focal_weight
        self.focal = focal_alpha, focal_gamma
        self.eps = eps
        self.term = RegionTerm(eps, dice_weight, focal_weight, *self.focal, clip=eps)

    def forward(
        self, prediction: paddle.Tensor, label: paddle.Tensor, mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Compare two maps float32 [N, H, W] where a mask is 1; return a scalar."""
        dice_weight, focal_weight = self.weights
        dice = dice_loss(prediction, label, mask, self.eps)
        focal = focal_loss(prediction, label, mask, *self.focal, eps=self.eps)
        return dice_weight * dice + focal_weight * focal


class BalancedLoss(nn.Layer):
    """A loss of text and of the hardest pixels of the background (PaddleOCR's `BalanceLoss`).

    With `BCELoss` it is what that says. `DiceLoss` is one number for the whole batch and has no
    hard pixels: PaddleOCR counts it once for each pixel that would be taken and divides by their
    number, which leaves it as it is, and makes it 0 in a batch without any text.

    Args:
        main_loss_type: `DiceLoss`, or `BCELoss`, the cross entropy of each pixel.
        negative_ratio: how many pixels of background count for each pixel of text, at most.

    Source: Liao et al. 2020 (arXiv:1911.08947); PaddleOCR `det_basic_loss`.
    """

    def __init__(
        self, main_loss_type: Literal["DiceLoss", "BCELoss"], negative_ratio: float
    ) -> None:
        super().__init__()
        self.is_dice = main_loss_type == "DiceLoss"
        self.negative_ratio = negative_ratio
        self.term: RegionTerm | EntropyTerm = EntropyTerm(negative_ratio)
        if self.is_dice:
            self.term = RegionTerm(EPS, text_ratio=negative_ratio)

    def forward(
        self, prediction: paddle.Tensor, label: paddle.Tensor, mask: paddle.Tensor
    ) -> paddle.Tensor:
        """Compare two maps float32 [N, H, W] where a mask is 1; return a scalar.

        Labels and masks are 0 and 1.
        """
        text, background = label * mask, (1 - label) * mask
        num_text = int(text.sum())
        num_hard = int(min(float(background.sum()), num_text * self.negative_ratio))
        if self.is_dice:
            # Sorted, the losses of the background begin with as many equal numbers.
            losses = dice_loss(prediction, label, mask)
            hardest = losses.expand([num_hard]) if num_hard else None
        else:
            losses = F.binary_cross_entropy(prediction, label, reduction="none")
            hardest = (background * losses).flatten().topk(num_hard)[0] if num_hard else None
        total = (text * losses).sum()
        if hardest is not None:
            total = total + hardest.sum()
        return total / (num_text + num_hard + EPS)


MapLoss: TypeAlias = DiceLoss | MaskedL1Loss | DiceFocalLoss | BalancedLoss


def losses_of_maps(
    maps: paddle.Tensor,
    losses: Sequence[MapLoss | None],
    text: Label,
    border: Label | None = None,
) -> list[paddle.Tensor]:
    """Compare each map of a head with its label, in compiled loops where they serve.

    Args:
        maps: float32 [N, C, H, W], values 0 .. 1.
        losses: C of them; None for a map that has no label.
        text: label and mask, float32 [N, H, W], of all but `MaskedL1Loss`; values 0 and 1.
        border: those of `MaskedL1Loss`.

    Returns:
        A scalar for each map that has a label.
    """
    terms = [None if loss is None else loss.term for loss in losses]
    if serves_maps(maps, terms, *text, *(border or ())):
        return map_losses(maps, terms, text, border)
    results = []
    for channel, loss in enumerate(losses):
        if loss is not None:
            label = border if border and isinstance(loss, MaskedL1Loss) else text
            results.append(loss(maps[:, channel], *label))
    return results
