"""One recognition network: backbone, neck, head."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional as F


class RecognitionNetwork(nn.Layer):
    """Backbone, neck and head in a row, with PaddleOCR's output forms.

    Args:
        backbone, neck, head: built layers.
        return_all_feats: in training return every stage by name instead of the logits alone.
    """

    def __init__(
        self, backbone: nn.Layer, neck: nn.Layer, head: nn.Layer, return_all_feats: bool
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head
        self.return_all_feats = return_all_feats
        self.is_frozen = False

    def freeze(self) -> None:
        """No gradient, evaluation statistics, for good: `train()` has no effect any more."""
        self.is_frozen = True
        for parameter in self.parameters():
            parameter.trainable = False
        self.eval()

    def train(self) -> None:
        """Training mode, unless frozen."""
        if not self.is_frozen:
            super().train()

    def probabilities(self, images: paddle.Tensor) -> paddle.Tensor:
        """Float32 [N, C, H, W] -> class probabilities float32 [N, T, K]: what is deployed."""
        return F.softmax(self._stages(images)["head_out"], axis=2)

    def forward(self, images: paddle.Tensor, training_form: bool | None = None) -> Any:
        """Run the network.

        Args:
            images: float32 [N, C, H, W].
            training_form: give what losses need rather than probabilities; the network's own
                mode by default. A frozen teacher gives it while in evaluation mode.

        Returns:
            In training form: logits [N, T, K], or (features, logits) with `return_feats`, or
            with `return_all_feats` a dict of `backbone_out`, `neck_out`, `head_out`. Else the
            probabilities, in a dict under `head_out` with `return_all_feats`.
        """
        if not (self.training if training_form is None else training_form):
            probabilities = self.probabilities(images)
            return {"head_out": probabilities} if self.return_all_feats else probabilities
        if not self.is_frozen:
            stages = self._stages(images)
        else:
            with paddle.no_grad():
                stages = self._stages(images)
        if self.head.return_feats:
            stages["head_out"] = (stages.pop("head_features"), stages["head_out"])
        stages.pop("head_features", None)
        return stages if self.return_all_feats else stages["head_out"]

    def _stages(self, images: paddle.Tensor) -> dict[str, Any]:
        stages = {"backbone_out": self.backbone(images)}
        stages["neck_out"] = self.neck(stages["backbone_out"])
        stages["head_features"], stages["head_out"] = self.head(stages["neck_out"])
        return stages
