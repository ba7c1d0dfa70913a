"""Necks by PaddleOCR's names: features [N, C, 1, T] -> sequence [N, T, C]."""

from training.recognition.necks.sequence_encoder import SequenceEncoder
from training.registry import Registry

NECKS = Registry("neck", {"SequenceEncoder": SequenceEncoder}, injected=frozenset({"in_channels"}))
