"""Cross-entropy losses of decoders that give one symbol at each time step."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import paddle
from paddle import nn
from paddle.nn import functional as F

from runtime.errors import ConfigError
from training.distillation.divergences import masked_mean
from training.kernels import smoothed_cross_entropy
from training.recognition.losses.labels import Batch, following_labels, labels_of, logits_alone

log = logging.getLogger(__name__)

_SMOOTHING = 0.1
_PADDING = 0
"""NRTR's class of the time steps behind a label's end."""


def mean_cross_entropy(
    logits: paddle.Tensor, targets: paddle.Tensor, ignored: int | None = None
) -> paddle.Tensor:
    """Mean cross-entropy over the time steps whose target is not `ignored`; 0 if none is left.

    Args:
        logits: float32 [N, T, K].
        targets: class indices int64 [N, T].
        ignored: any number, None for no such target.
    """
    if ignored is None:
        return F.cross_entropy(logits, targets, reduction="mean")
    losses = F.cross_entropy(logits, targets, ignore_index=ignored, reduction="none")
    return losses.sum() / (targets != ignored).astype(losses.dtype).sum().clip(min=1.0)


class SARLoss(nn.Layer):
    """Cross-entropy of SAR's decoder, whose last time step has no label.

    The labels are `label_sar` where the batch has it, else `label`.

    Args:
        ignore_index: the padding's class; None for the one behind the decoder's, K + 1.

    Source: Li et al. 2019 (arXiv:1811.00751); PaddleOCR `rec_sar_loss`, `tools/train.py`.
    """

    log_name: ClassVar[str] = "loss_sar"

    def __init__(self, ignore_index: int | None = None) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, prediction: Any, batch: Batch) -> paddle.Tensor:
        """Compare logits float32 [N, T, K + 1] with labels int [N, T]; return a scalar.

        Raises:
            ConfigError: if there are other labels than time steps, or a label is no class.
        """
        logits, labels = logits_alone(prediction, "SARLoss"), labels_of(batch, "sar")
        expected, got = list(logits.shape[:2]), list(labels.shape)
        if expected != got:
            raise ConfigError(
                f"SARLoss: expected labels of shape {expected}, as the decoder has time "
                f"steps, got {got}; set SARHead.max_text_length to Global.max_text_length"
            )
        num_classes = logits.shape[-1]
        ignored = num_classes if self.ignore_index is None else self.ignore_index
        # The label after each time step; the last one's is ignored, which spares a copy of logits.
        last = paddle.full([labels.shape[0], 1], ignored, labels.dtype)
        targets = paddle.concat([labels[:, 1:], last], axis=1)
        if ignored != num_classes:  # no padding of these labels
            is_unknown = (targets >= num_classes) & (targets != ignored)
            if bool(is_unknown.any()):
                raise ConfigError(
                    f"SARLoss: expected labels below {num_classes} or ignore_index "
                    f"{ignored}, got {int(labels.max())}; set ignore_index to "
                    f"{num_classes}, the padding's class, or put DistillationSARLoss last"
                )
        return mean_cross_entropy(logits, targets, ignored)


def padding_class(head_classes: int) -> int:
    """Return SAR's class of padding from K: behind characters, space, unknown and begin."""
    return head_classes + 1


class NRTRLoss(nn.Layer):
    """Cross-entropy of NRTR's decoder, padding left out.

    The labels are `label_gtc` where the batch has it, else `label`.

    Args:
        smoothing: give a tenth of each target to the other classes.
        ignore_index: the padding's class without smoothing; with it that is always 0.

    Source: Sheng et al. 2019 (arXiv:1806.00926); PaddleOCR `rec_nrtr_loss`.
    """

    log_name: ClassVar[str] = "loss_nrtr"

    def __init__(self, smoothing: bool = True, ignore_index: int = _PADDING) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.ignore_index = ignore_index

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Report a padding's class that PaddleOCR has no loss for."""
        index = options.get("ignore_index", _PADDING)
        if index < 0 and not options.get("smoothing", True):
            yield "ignore_index", f"expected a class from 0 up without smoothing, got {index}"

    def forward(self, prediction: Any, batch: Batch) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with labels int [N, L]; return a scalar."""
        logits = logits_alone(prediction, "NRTRLoss")
        targets = following_labels(labels_of(batch, "gtc"), logits.shape[1], "NRTRLoss")
        return _decoder_loss(logits, targets, self.smoothing, self.ignore_index)


class CELoss(nn.Layer):
    """Cross-entropy of a decoder, padding left out or not.

    The labels are `label_gtc` where the batch has it, else `label`.

    Args:
        smoothing: give a tenth of each target to the other classes, and leave out class 0.
        with_all: the labels have no start symbol, and are not smoothed.
        ignore_index: the padding's class without smoothing; -1 for none.

    Source: PaddleOCR `rec_ce_loss`, without its forms for several outputs.
    """

    log_name: ClassVar[str] = "loss_ce"

    def __init__(
        self, smoothing: bool = False, with_all: bool = False, ignore_index: int = -1
    ) -> None:
        super().__init__()
        self.smoothing = smoothing and not with_all
        self.with_all = with_all
        self.ignore_index = ignore_index if ignore_index >= 0 else None
        if smoothing and with_all:
            log.warning("CELoss: smoothing has no effect beside with_all, as in PaddleOCR")

    def forward(self, prediction: Any, batch: Batch) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with labels int [N, L]; return a scalar."""
        logits, targets = logits_alone(prediction, "CELoss"), labels_of(batch, "gtc")
        if not self.with_all:
            targets = following_labels(targets, logits.shape[1], "CELoss")
        return _decoder_loss(logits, targets, self.smoothing, self.ignore_index)


def _decoder_loss(
    logits: paddle.Tensor, targets: paddle.Tensor, is_smoothed: bool, ignored: int | None
) -> paddle.Tensor:
    if not is_smoothed:
        return mean_cross_entropy(logits, targets, ignored)
    losses = smoothed_cross_entropy(logits, targets, _SMOOTHING)
    return masked_mean(losses, targets != _PADDING)
