"""Losses of text recognition: from a network's output and the batch by name to a scalar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F

from runtime.errors import CheckpointError, ConfigError
from training.distillation.divergences import logits_of
from training.distillation.losses import SHARED_LOSSES, LossOfEach
from training.kernels import ctc_loss
from training.registry import Registry

Batch = Mapping[str, Any]


class CTCLoss(nn.Layer):
    """Connectionist temporal classification, per-sample losses averaged.

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
        losses = ctc_loss(logits_of(prediction), batch["label"], batch["length"])
        if self.use_focal_loss:
            losses = losses * paddle.square(1.0 - paddle.exp(-losses))
        return losses.mean()


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
        probabilities = F.softmax(logits_of(prediction), axis=-1)
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


class DistillationCTCLoss(LossOfEach):
    """`CTCLoss` of each listed network, e.g. `loss_ctc_Student_0`."""

    def __init__(
        self, model_name_list: Sequence[str], key: str | None = None, name: str = "loss_ctc"
    ) -> None:
        super().__init__(CTCLoss(), model_name_list, key, name)


LOSSES = Registry(
    "loss",
    {
        "CTCLoss": CTCLoss,
        "ACELoss": ACELoss,
        "CenterLoss": CenterLoss,
        "DistillationCTCLoss": DistillationCTCLoss,
        **SHARED_LOSSES,
    },
    unused=frozenset({"multi_head", "dis_head", "maps_name"}),
)
