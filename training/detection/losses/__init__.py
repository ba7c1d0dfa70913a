"""Losses of text detection: from networks' maps and the batch by name to scalars."""

from training.detection.losses.db import DBLoss
from training.detection.losses.distillation import (
    DistillationDBLoss,
    DistillationDilaDBLoss,
    DistillationDMLLoss,
)
from training.distillation.losses import SHARED_LOSSES
from training.registry import Registry

LOSSES = Registry(
    "loss",
    {
        **SHARED_LOSSES,
        "DBLoss": DBLoss,
        "DistillationDBLoss": DistillationDBLoss,
        "DistillationDMLLoss": DistillationDMLLoss,
        "DistillationDilaDBLoss": DistillationDilaDBLoss,
    },
    injected=frozenset({"is_last"}),
)
