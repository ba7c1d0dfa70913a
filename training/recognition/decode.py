"""From network outputs to text, with PaddleOCR's names: one charset, one CTC decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.recognition.charset import Charset, build_charset
from runtime.recognition.ctc import best_path, decode_best_path
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
        """Decode.

        Args:
            prediction: probabilities (or logits), float [N, T, K]; of a tuple the last.
            labels: class indices padded with 0, int [N, L].

        Returns:
            N pairs (text, confidence); with labels two such lists.
        """
        if isinstance(prediction, list | tuple):
            prediction = prediction[-1]
        decoded = decode_best_path(*best_path(np.asarray(prediction)), self.charset)
        lines = [(line.text, line.confidence) for line in decoded]
        return lines if labels is None else (lines, self.decode_labels(labels))

    def decode_labels(self, labels: Any) -> list[Line]:
        """Text of class indices padded with 0, each with confidence 1."""
        return [(self.charset.text_of(row[row != 0].tolist()), 1.0) for row in np.asarray(labels)]


class DistillationCTCLabelDecode:
    """`CTCLabelDecode` of several networks.

    Args:
        charset: K - 1 characters.
        model_name: the networks.
        key: which output of a network to decode, None for the output itself.
    """

    def __init__(
        self, charset: Charset, model_name: Sequence[str] | str, key: str | None = None
    ) -> None:
        self.decode = CTCLabelDecode(charset)
        self.model_name = [model_name] if isinstance(model_name, str) else list(model_name)
        self.key = key

    @property
    def charset(self) -> Charset:
        """The characters."""
        return self.decode.charset

    def __call__(
        self, predictions: Mapping[str, Any], labels: Any = None
    ) -> dict[str, list[Line] | Decoded]:
        """Decode every listed network: {network: lines} or {network: (lines, labels)}."""
        return {
            name: self.decode(
                predictions[name] if self.key is None else predictions[name][self.key], labels
            )
            for name in self.model_name
        }


POST_PROCESSES = Registry(
    "post-process",
    {
        "CTCLabelDecode": CTCLabelDecode,
        "DistillationCTCLabelDecode": DistillationCTCLabelDecode,
    },
    injected=frozenset({"charset"}),
    unused=frozenset({"multi_head"}),
)


def build_post_process(
    config: Mapping[str, Any], global_config: Mapping[str, Any]
) -> CTCLabelDecode | DistillationCTCLabelDecode:
    """Build the `PostProcess` section; the sections are left as they are.

    Args:
        config: the `PostProcess` section.
        global_config: the `Global` section, for `character_dict_path` and `use_space_char`.

    Raises:
        ConfigError: naming every problem.
        ArtifactError: if the dictionary is unusable.
    """
    built: CTCLabelDecode | DistillationCTCLabelDecode = POST_PROCESSES.build(
        config, "PostProcess", charset=charset_of(global_config)
    )
    return built


def charset_of(global_config: Mapping[str, Any]) -> Charset:
    """Charset that the `Global` section names."""
    return build_charset(
        global_config.get("character_dict_path"), global_config.get("use_space_char", False)
    )
