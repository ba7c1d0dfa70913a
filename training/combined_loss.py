"""CombinedLoss: any list of losses with weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
from paddle import nn

from training.recognition.losses import Labels

TOTAL = "loss"


class CombinedLoss(nn.Layer):
    """Weighted sum of losses, each still visible by name.

    Args:
        losses: triples of name (used for a loss that returns a bare scalar), weight, loss.
    """

    def __init__(self, losses: Sequence[tuple[str, float, nn.Layer]]) -> None:
        super().__init__()
        self.names = [name for name, _, _ in losses]
        self.weights = [weight for _, weight, _ in losses]
        self.losses = nn.LayerList([loss for _, _, loss in losses])

    def forward(self, outputs: Any, batch: Labels) -> dict[str, paddle.Tensor]:
        """Outputs of the model and [images, labels, lengths, ...] -> weighted scalars.

        Returns:
            Every part by its name, already weighted, and their sum under `loss`.
        """
        parts: dict[str, paddle.Tensor] = {}
        for name, weight, loss in zip(self.names, self.weights, self.losses, strict=True):
            result = loss(outputs, batch)
            if not isinstance(result, dict):
                result = {name: result}
            for label, value in result.items():
                parts[_unused_label(label, parts)] = value * weight
        return {**parts, TOTAL: paddle.add_n(list(parts.values()))}


def _unused_label(label: str, parts: dict[str, paddle.Tensor]) -> str:
    """`label`, or with a number behind it when an earlier loss has taken it."""
    candidate, number = label, 1
    while candidate in parts:
        number += 1
        candidate = f"{label}_{number}"
    return candidate
