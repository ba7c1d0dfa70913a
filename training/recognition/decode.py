"""Decodes network outputs to text, with PaddleOCR's names: one charset, one CTC decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.recognition.charset import Charset
from runtime.recognition.ctc import best_path, decode_best_path
from training.distillation.decode import DistillationPostProcess
from training.registry import Registry

Line = tuple[str, float]
Decoded = tuple[list[Line], list[Line]]


class CTCLabelDecode:
    """Greedy CTC decoding of one network's probabilities.

    Args:
        charset: K - 1 characters.
    """

    def __init__(self, charset: Charset) -> None:
        self.charset = charset

    def __call__(self, prediction: Any, labels: Any = None) -> list[Line] | Decoded:
        """Decode one network's output, and the labels if there are any.

        Args:
            prediction: probabilities (or logits), float [N, T, K]; of several decoders' outputs by
                name `ctc`, of a tuple the last.
            labels: class indices padded with 0, int [N, L].

        Returns:
            N pairs (text, confidence); with labels two such lists.
        """
        if isinstance(prediction, Mapping):
            prediction = prediction["ctc"]
        if isinstance(prediction, list | tuple):
            prediction = prediction[-1]
        decoded = decode_best_path(*best_path(np.asarray(prediction)), self.charset)
        lines = [(line.text, line.confidence) for line in decoded]
        return lines if labels is None else (lines, self.decode_labels(labels))

    def decode_labels(self, labels: Any) -> list[Line]:
        """Return the text of class indices padded with 0, each with confidence 1."""
        return [(self.charset.text_of(row[row != 0].tolist()), 1.0) for row in np.asarray(labels)]


class DistillationCTCLabelDecode(DistillationPostProcess):
    """`CTCLabelDecode` of several networks.

    Args:
        charset: K - 1 characters.
        model_name: the networks.
        key: which output of a network to decode, None for the output itself.
    """

    def __init__(
        self, charset: Charset, model_name: Sequence[str] | str, key: str | None = None
    ) -> None:
        super().__init__(CTCLabelDecode(charset), model_name, key)


POST_PROCESSES = Registry(
    "post-process",
    {
        "CTCLabelDecode": CTCLabelDecode,
        "DistillationCTCLabelDecode": DistillationCTCLabelDecode,
    },
    injected=frozenset({"charset"}),
    unused=frozenset({"multi_head"}),
)
