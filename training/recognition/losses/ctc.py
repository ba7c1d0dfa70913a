"""Connectionist temporal classification as a loss."""

from __future__ import annotations

from typing import Any, ClassVar

import paddle
from paddle import nn

from training.kernels import ctc_loss
from training.recognition.losses.labels import Batch, labels_of, logits_alone


class CTCLoss(nn.Layer):
    """Connectionist temporal classification, per-sample losses averaged.

    The labels are `label_ctc` where the batch has it, else `label`.

    Args:
        use_focal_loss: weight each sample by (1 - exp(-loss))².

    Source: Graves et al. 2006; focal weight as PaddleOCR's `rec_ctc_loss`.
    """

    log_name: ClassVar[str] = "loss_ctc"

    def __init__(self, use_focal_loss: bool = False) -> None:
        super().__init__()
        self.use_focal_loss = use_focal_loss

    def forward(self, prediction: Any, batch: Batch) -> paddle.Tensor:
        """Compare logits float32 [N, T, K], labels int [N, L], lengths int [N]; return a scalar."""
        logits = logits_alone(prediction, "CTCLoss")
        losses = ctc_loss(logits, labels_of(batch, "ctc"), batch["length"])
        if self.use_focal_loss:
            losses = losses * paddle.square(1.0 - paddle.exp(-losses))
        return losses.mean()
