"""Losses of text recognition: from networks' outputs and the batch by name to scalars."""

from training.distillation.losses import SHARED_LOSSES
from training.recognition.losses.ace import ACELoss
from training.recognition.losses.center import CenterLoss
from training.recognition.losses.cross_entropy import CELoss, NRTRLoss, SARLoss
from training.recognition.losses.ctc import CTCLoss
from training.recognition.losses.distillation import (
    DistillationCTCLoss,
    DistillationDKDLoss,
    DistillationKLDivLoss,
    DistillationNRTRLoss,
    DistillationSARLoss,
    DistillCTCLogits,
)
from training.recognition.losses.multi import MultiLoss
from training.recognition.losses.teacher.spikes import (
    DistillationGuidedCTCLoss,
    DistillationSpikeKLLoss,
)
from training.recognition.losses.teacher.texts import DistillationTeacherCTCLoss
from training.registry import Registry

LOSSES = Registry(
    "loss",
    {
        "ACELoss": ACELoss,
        "CELoss": CELoss,
        "CTCLoss": CTCLoss,
        "CenterLoss": CenterLoss,
        "DistillCTCLogits": DistillCTCLogits,
        "DistillationCTCLoss": DistillationCTCLoss,
        "DistillationDKDLoss": DistillationDKDLoss,
        "DistillationGuidedCTCLoss": DistillationGuidedCTCLoss,
        "DistillationKLDivLoss": DistillationKLDivLoss,
        "DistillationNRTRLoss": DistillationNRTRLoss,
        "DistillationSARLoss": DistillationSARLoss,
        "DistillationSpikeKLLoss": DistillationSpikeKLLoss,
        "DistillationTeacherCTCLoss": DistillationTeacherCTCLoss,
        "MultiLoss": MultiLoss,
        "NRTRLoss": NRTRLoss,
        "SARLoss": SARLoss,
        **SHARED_LOSSES,
    },
    injected=frozenset({"is_last"}),
)
