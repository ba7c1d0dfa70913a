"""The distance of features to the centres of their classes as a loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import nn

from runtime.errors import CheckpointError, ConfigError
from training.recognition.losses.labels import Batch


class CenterLoss(nn.Layer):
    """Squared distance of every time step's features to the centre of its predicted class.

    Args:
        num_classes: K.
        feat_dim: width of the features.
        center_file_path: a pickled {class: centre} mapping, read safely; random without it.

    Source: Wen et al. 2016; PaddleOCR `center_loss` (centres are not learned).
    """

    log_name: ClassVar[str] = "loss_center"

    def __init__(
        self, num_classes: int = 6625, feat_dim: int = 96, center_file_path: str | None = None
    ) -> None:
        super().__init__()
        centers = paddle.randn([num_classes, feat_dim]).astype("float64")
        if center_file_path is not None:
            centers = paddle.to_tensor(_read_centers(center_file_path, centers.numpy()))
        self.register_buffer("centers", centers, persistable=False)

    def forward(self, prediction: Any, batch: Batch) -> paddle.Tensor:
        """Compare (features float32 [N, T, C], logits float32 [N, T, K]); return a scalar."""
        if not isinstance(prediction, list | tuple):
            raise ConfigError(
                "CenterLoss needs features and logits: expected a head with return_feats: true, "
                "got logits alone; set Head.return_feats"
            )
        features, logits = prediction
        num_classes, width = self.centers.shape
        if logits.shape[-1] != num_classes or features.shape[-1] != width:
            raise ConfigError(
                f"CenterLoss: expected num_classes {logits.shape[-1]} and feat_dim "
                f"{features.shape[-1]} as the head has them, got {num_classes} and {width}"
            )
        nearest = self.centers[logits.argmax(axis=2).flatten()]
        distances = paddle.square(features.reshape([-1, width]).astype("float64") - nearest)
        return distances.sum(axis=1).clip(1e-12, 1e12).mean().astype("float32")


def _read_centers(path: str, centers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    from training.checkpoint.safe_pickle import load_pickle

    given = load_pickle(Path(path))
    num_classes, width = centers.shape
    if not isinstance(given, dict):
        raise CheckpointError(
            f"{path} is no centre file: expected {{class: centre}}, got {type(given).__name__}"
        )
    for index, center in given.items():
        if not isinstance(index, int) or not 0 <= index < num_classes:
            raise CheckpointError(
                f"{path}: expected classes from 0 to {num_classes - 1}, got {index!r}; "
                "make it with the dictionary of this config"
            )
        if np.shape(center) != (width,):
            raise CheckpointError(
                f"{path}: expected a centre of {width} values for class {index}, got shape "
                f"{list(np.shape(center))}; set feat_dim to the width of its features"
            )
        centers[index] = center
    return centers
