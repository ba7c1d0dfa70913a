"""One network: backbone, neck and head in a row, with PaddleOCR's output forms."""

from __future__ import annotations

from typing import Any, ClassVar

import paddle
from paddle import nn


class Network(nn.Layer):
    """Backbone, neck and head; each task says which output of it is deployed.

    Args:
        backbone: image -> features.
        neck: features -> features; None for none.
        head: takes the features and, in training, the batch by name.
        return_all_feats: in training return every stage by name instead of the head's alone.
    """

    names_head_outputs: ClassVar[bool] = False
    """Whether what the head gives stands by name beside the other stages, where `key` takes it."""

    def __init__(
        self,
        backbone: nn.Layer,
        neck: nn.Layer | None,
        head: nn.Layer,
        return_all_feats: bool = False,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        if neck is not None:
            self.neck = neck
        self.head = head
        self.return_all_feats = return_all_feats
        self.is_frozen = False
        self.keeps_statistics = False

    def freeze(self, keeps_statistics: bool = True) -> None:
        """Keep the parameters as they are.

        Args:
            keeps_statistics: `train()` has no effect any more, so that BatchNorm's statistics stay
                and dropout is off; else only the parameters stay, as PaddleOCR freezes a network.
        """
        self.is_frozen = True
        self.keeps_statistics = keeps_statistics
        for parameter in self.parameters():
            parameter.trainable = False
        if keeps_statistics:
            self.eval()

    def keep_statistics(self) -> None:
        """Learn with the statistics of BatchNorms as they are, which few samples would spoil."""
        self.keeps_statistics = True

    def train(self) -> None:
        """Set training mode; not of a frozen network, nor of BatchNorms, that keep statistics."""
        if self.keeps_statistics and self.is_frozen:
            return
        super().train()
        if self.keeps_statistics:
            for layer in self.sublayers():
                if hasattr(layer, "_variance"):
                    layer.eval()

    def deployed(self, images: paddle.Tensor) -> paddle.Tensor:
        """Map images float32 [N, C, H, W] to the output of the deployed model."""
        raise TypeError(f"{type(self).__name__} does not say what is deployed of it")

    def trained(self, head_out: Any) -> Any:
        """Return the part of the head's output that losses take."""
        return head_out

    def forward(
        self, images: paddle.Tensor, batch: Any = None, training_form: bool | None = None
    ) -> Any:
        """Run the network.

        Args:
            images: float32 [N, C, H, W].
            batch: the batch by PaddleOCR's names, for heads that learn from the labels.
            training_form: return the outputs that losses need instead of the deployed output; by
                default in training mode. A frozen teacher returns them in evaluation mode too.

        Returns:
            In training form the head's output for the losses, or with `return_all_feats` a dict of
            `backbone_out`, `neck_out`, `head_out`. Else the deployed output, in a dict under
            `head_out` with `return_all_feats`.
        """
        if not (self.training if training_form is None else training_form):
            output = self.deployed(images)
            return {"head_out": output} if self.return_all_feats else output
        if not self.is_frozen:
            stages = self.stages(images, batch)
        else:
            with paddle.no_grad():
                stages = self.stages(images, batch)
        stages["head_out"] = self.trained(stages["head_out"])
        return stages if self.return_all_feats else stages["head_out"]

    def stages(self, images: paddle.Tensor, batch: Any = None) -> dict[str, Any]:
        """Return the output of backbone, neck and head by name."""
        stages = {"backbone_out": self.backbone(images)}
        features = stages["backbone_out"]
        if hasattr(self, "neck"):
            features = stages["neck_out"] = self.neck(features)
        stages["head_out"] = self.head(features, batch)
        return stages
