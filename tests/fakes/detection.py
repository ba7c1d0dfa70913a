"""The parts of text detection as a task, as far as networks and losses need one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from training.detection.backbones import BACKBONES
from training.detection.heads import HEADS
from training.detection.losses import LOSSES
from training.detection.necks import NECKS
from training.detection.network import DetectionNetwork


class DetectionParts:
    """Networks and losses alone."""

    model_type = "det"
    network = DetectionNetwork
    network_keys: frozenset[str] = frozenset()
    backbones, necks, heads, losses = BACKBONES, NECKS, HEADS, LOSSES

    @staticmethod
    def problems_of_network(section: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        return ()
