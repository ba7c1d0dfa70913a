"""Each loss formula once. Distillation losses pick tensors and call these.

A label loss takes (predictions, batch) with batch = [images, labels, lengths, ...]; a pair loss
takes two tensors. Both return a scalar.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F

from runtime.errors import CheckpointError, ConfigError
from training.kernels import ctc_loss, softmax_mutual_loss

Labels = Sequence[Any]


def logits_of(prediction: Any) -> paddle.Tensor:
    """Logits of a head that may return (features, logits)."""
    return prediction[-1] if isinstance(prediction, list | tuple) else prediction


class CTCLoss(nn.Layer):
    """Connectionist temporal classification, per-sample losses averaged.

    Args:
        use_focal_loss: weight each sample by (1 - exp(-loss))².

    Source: Graves et al. 2006; focal weight as PaddleOCR's `rec_ctc_loss`.
    """

    def __init__(self, use_focal_loss: bool = False) -> None:
        super().__init__()
        self.use_focal_loss = use_focal_loss

    def forward(self, prediction: Any, batch: Labels) -> paddle.Tensor:
        """Logits float32 [N, T, K], labels int [N, L], lengths int [N] -> scalar."""
        losses = ctc_loss(logits_of(prediction), batch[1], batch[2])
        if self.use_focal_loss:
            losses = losses * paddle.square(1.0 - paddle.exp(-losses))
        return losses.mean()


class ACELoss(nn.Layer):
    """Aggregation cross-entropy over character counts.

    Needs `label_ace`, int [N, K], the count of each class, as fourth element of the batch.

    Source: Xie et al. 2019 (arXiv:1904.08364); PaddleOCR `ace_loss`.
    """

    def __init__(self) -> None:  # without options, which `Layer.__init__` has
        super().__init__()

    def forward(self, prediction: Any, batch: Labels) -> paddle.Tensor:
        """Logits float32 [N, T, K] -> scalar."""
        probabilities = F.softmax(logits_of(prediction), axis=-1)
        num_steps = float(probabilities.shape[1])
        counts = batch[3].astype("float32")
        blanks = (num_steps - batch[2].astype("float32")).unsqueeze(1)
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

    def __init__(
        self, num_classes: int = 6625, feat_dim: int = 96, center_file_path: str | None = None
    ) -> None:
        super().__init__()
        centers = paddle.randn([num_classes, feat_dim]).astype("float64")
        if center_file_path is not None:
            centers = paddle.to_tensor(_read_centers(center_file_path, centers.numpy()))
        self.register_buffer("centers", centers, persistable=False)

    def forward(self, prediction: Any, batch: Labels) -> paddle.Tensor:
        """(features float32 [N, T, C], logits float32 [N, T, K]) -> scalar."""
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


def _kl_divergence(log_prediction: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
    """Sum over everything of target * (log target - log prediction), divided by N."""
    divergence = target * (paddle.log(target + 1e-10) - log_prediction)
    return divergence.sum() / divergence.shape[0]


class DMLLoss(nn.Layer):
    """Deep mutual learning: the symmetric Kullback-Leibler divergence of two outputs.

    Args:
        act: activation applied first, 1e-10 added; None when the outputs are distributions.
        use_log: half the sum of both directions, summed over T and K and divided by N, as
            recognition uses it; else the symmetric form averaged over everything.

    Source: Zhang et al. 2018 (arXiv:1706.00384); PaddleOCR `basic_loss.DMLLoss`.
    """

    def __init__(
        self, act: Literal["softmax", "sigmoid"] | None = None, use_log: bool = False
    ) -> None:
        super().__init__()
        activations = {"softmax": F.softmax, "sigmoid": F.sigmoid}
        self.activation = activations[act] if act is not None else None
        self.use_log = use_log

    def forward(self, first: paddle.Tensor, second: paddle.Tensor) -> paddle.Tensor:
        """Two float32 [N, T, K] -> scalar."""
        if self.use_log and self.activation is F.softmax:
            return softmax_mutual_loss(first, second)
        if self.activation is not None:
            first = self.activation(first) + 1e-10
            second = self.activation(second) + 1e-10
        if self.use_log:
            both = _kl_divergence(paddle.log(first), second)
            return (both + _kl_divergence(paddle.log(second), first)) / 2.0
        eps = 1e-5
        forward = second * paddle.log((second + eps) / (first + eps) + eps)
        backward = first * paddle.log((first + eps) / (second + eps) + eps)
        return 0.5 * (forward + backward).mean()


class DistanceLoss(nn.Layer):
    """Mean L1, L2 or smooth L1 distance of two tensors."""

    def __init__(self, mode: Literal["l1", "l2", "smooth_l1"] = "l2") -> None:
        super().__init__()
        distances = {"l1": F.l1_loss, "l2": F.mse_loss, "smooth_l1": F.smooth_l1_loss}
        self.distance = distances[mode]

    def forward(self, first: paddle.Tensor, second: paddle.Tensor) -> paddle.Tensor:
        """Two tensors of one shape -> scalar."""
        return self.distance(first, second)


class KLDivLoss(nn.Layer):
    """Kullback-Leibler divergence of a student's softmax from a teacher's, divided by N.

    The teacher's side is a target: no gradient flows into it.
    """

    def forward(self, student: paddle.Tensor, teacher: paddle.Tensor) -> paddle.Tensor:
        """Two logits float32 [N, T, K] -> scalar."""
        target = F.softmax(teacher.detach(), axis=-1)
        return _kl_divergence(F.log_softmax(student, axis=-1), target)
