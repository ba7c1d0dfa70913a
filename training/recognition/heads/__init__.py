"""Heads by PaddleOCR's names: sequence [N, T, C], or features with a neck within -> logits."""

from training.recognition.heads.ctc_head import CTCHead
from training.recognition.heads.multi_head import MultiHead
from training.registry import Registry

HEADS = Registry(
    "head",
    {"CTCHead": CTCHead, "MultiHead": MultiHead},
    injected=frozenset({"in_channels", "out_channels"}),
)
