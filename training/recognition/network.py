"""A recognition network, whose deployed output are class probabilities."""

from __future__ import annotations

from typing import Any

import paddle
from paddle.nn import functional as F

from training.network import Network


class RecognitionNetwork(Network):
    """A `Network` whose head gives (features, logits) of every time step."""

    def deployed(self, images: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to class probabilities float32 [N, T, K]."""
        _, logits = self.stages(images)["head_out"]
        return F.softmax(logits, axis=2)

    def trained(self, head_out: Any) -> Any:
        """Return the logits [N, T, K], or (features, logits) where the head returns both."""
        features, logits = head_out
        return (features, logits) if self.head.return_feats else logits
