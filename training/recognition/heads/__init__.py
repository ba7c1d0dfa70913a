"""Heads by PaddleOCR's names: sequence [N, T, C] -> logits [N, T, K]."""

from training.recognition.heads.ctc_head import CTCHead
from training.registry import Registry

HEADS = Registry("head", {"CTCHead": CTCHead}, injected=frozenset({"in_channels", "out_channels"}))
