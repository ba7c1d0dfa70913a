"""A detection network, whose deployed output is the map of shrunken text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import paddle

from training.network import Network


class DetectionNetwork(Network):
    """A `Network` that marks text; its head has a method `shrink_map` for what is deployed."""

    names_head_outputs: ClassVar[bool] = True

    def deployed(self, images: paddle.Tensor) -> paddle.Tensor:
        """Map float32 [N, C, H, W], sides multiples of 32, to values 0 .. 1, [N, 1, H, W]."""
        features = self.backbone(images)
        if hasattr(self, "neck"):
            features = self.neck(features)
        return self.head.shrink_map(features)

    def forward(
        self, images: paddle.Tensor, batch: Any = None, training_form: bool | None = None
    ) -> Any:
        """Run the network.

        Args:
            images, batch, training_form: as `Network.forward` takes them.

        Returns:
            In training form the head's outputs by name, `maps` among them; with `return_all_feats`
            they and the neck's stand beside `backbone_out`, as in PaddleOCR. Else what `Network`
            returns.
        """
        outputs = super().forward(images, batch, training_form)
        if not self.return_all_feats or "backbone_out" not in outputs:
            return outputs
        named: dict[str, Any] = {}
        for stage, output in outputs.items():
            named |= output if isinstance(output, Mapping) else {stage: output}
        return named
