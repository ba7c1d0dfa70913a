"""What label losses take of a head's output and of the batch by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle

from runtime.errors import ConfigError
from training.distillation.divergences import logits_of
from training.recognition.heads.labels import LABELS

Batch = Mapping[str, Any]


def labels_of(batch: Batch, output: str) -> paddle.Tensor:
    """Return the labels int64 [N, L] of an output of a MultiHead, or the batch's only ones.

    Raises:
        ConfigError: if the batch has labels of other outputs alone.
    """
    names = (*LABELS[output], "label")
    found = next((name for name in names if name in batch), None)
    if found is None:
        raise ConfigError(
            f"expected {names[0]} in the batch, got {', '.join(batch)}; keep it by KeepKeys, and "
            "let MultiLabelEncode.gtc_encode name the encoder that makes it"
        )
    return batch[found].astype("int64")


def logits_alone(prediction: Any, loss: str) -> paddle.Tensor:
    """Return the logits [N, T, K] of a head that may also return features.

    Args:
        prediction: what the head returned.
        loss: its name, for the message.

    Raises:
        ConfigError: if the head returned several outputs by name.
    """
    if isinstance(prediction, Mapping):
        raise ConfigError(
            f"{loss}: expected the logits of one decoder, got {', '.join(prediction)}; "
            "set multi_head: true, or take MultiLoss for one network alone"
        )
    return logits_of(prediction)


def following_labels(labels: paddle.Tensor, num_steps: int, loss: str) -> paddle.Tensor:
    """Return the labels that a decoder is to give, one for each time step.

    Args:
        labels: int64 [N, L], a start symbol, the classes, an end symbol, padding.
        num_steps: T of the decoder's output.
        loss: its name, for the message.

    Returns:
        int64 [N, T], without the start symbol.

    Raises:
        ConfigError: if there are fewer labels than time steps.
    """
    following = labels[:, 1 : 1 + num_steps]
    if following.shape[1] != num_steps:
        raise ConfigError(
            f"{loss}: expected labels for {num_steps} time steps, got {following.shape[1]}; "
            "take the output that these labels belong to, or raise Global.max_text_length"
        )
    return following
