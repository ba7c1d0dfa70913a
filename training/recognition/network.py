"""A recognition network, whose deployed output are class probabilities."""

from __future__ import annotations

from typing import Any

import paddle
from paddle.nn import functional as F

from training.network import Network
from training.recognition.class_map import ClassMap


class RecognitionNetwork(Network):
    """A `Network` that reads by CTC.

    The head's `logits` give the class logits of every time step from the features; called with the
    batch it returns what the losses take, which may be more.

    With a `class_map` the network has a dictionary of its own, and speaks in the run's classes.
    """

    class_map: ClassMap | None = None

    def deployed(self, images: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W] to class probabilities float32 [N, T, K]."""
        features = self.backbone(images)
        if hasattr(self, "neck"):
            features = self.neck(features)
        logits = self.head.logits(features)
        if self.class_map is not None:
            logits = self.class_map.logits(logits)
        return F.softmax(logits, axis=2)

    def trained(self, head_out: Any) -> Any:
        """Return the output for losses: logits [N, T, K], or all that a head has besides them."""
        return head_out if self.class_map is None else self.class_map.outputs(head_out)

    def stages(self, images: paddle.Tensor, batch: Any = None) -> dict[str, Any]:
        """Return the output of backbone, neck and head by name.

        The neck of a head of several decoders is the one in its CTC branch.
        """
        if self.class_map is not None:
            batch = self.class_map.batch(batch)
        stages = super().stages(images, batch)
        if isinstance(stages["head_out"], dict) and "ctc_neck" in stages["head_out"]:
            stages["neck_out"] = stages["head_out"]["ctc_neck"]
        return stages
