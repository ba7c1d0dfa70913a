"""Aggregation cross-entropy as a loss."""

from __future__ import annotations

from typing import Any, ClassVar

import paddle
from paddle import nn
from paddle.nn import functional as F

from training.recognition.losses.labels import Batch, logits_alone


class ACELoss(nn.Layer):
    """Aggregation cross-entropy over character counts.

    Needs `label_ace`, int [N, K], the count of each class, among the `keep_keys`.

    Source: Xie et al. 2019 (arXiv:1904.08364); PaddleOCR `ace_loss`.
    """

    log_name: ClassVar[str] = "loss_ace"

    def __init__(self) -> None:  # without options, which `Layer.__init__` has
        super().__init__()

    def forward(self, prediction: Any, batch: Batch) -> paddle.Tensor:
        """Compare logits float32 [N, T, K] with the class counts; return a scalar."""
        probabilities = F.softmax(logits_alone(prediction, "ACELoss"), axis=-1)
        num_steps = float(probabilities.shape[1])
        counts = batch["label_ace"].astype("float32")
        blanks = (num_steps - batch["length"].astype("float32")).unsqueeze(1)
        counts = paddle.concat([blanks, counts[:, 1:]], axis=1)
        losses = F.cross_entropy(
            probabilities.sum(axis=1) / num_steps,
            counts / num_steps,
            soft_label=True,
            reduction="none",
        )
        return losses.mean()
