"""Names of what a detection head returns in training."""

from __future__ import annotations

from training.detection.heads.pf_head import PFHeadLocal
from training.registry import Component

MAPS = "maps"
_OF_TWO_MAPS = ("distance_maps", "cbn_maps")
_AUXILIARY = ("aux_maps_p4", "aux_maps_p3", "aux_maps_p2")
THREE_MAPS = (MAPS, *_AUXILIARY)
"""Outputs of three channels: shrunken text, threshold, binary map."""


def head_outputs(head: Component) -> tuple[str, ...]:
    """Return the names of a head's outputs, those of auxiliary heads where it has any."""
    if head.builder is PFHeadLocal:
        return (MAPS, *_OF_TWO_MAPS)
    return (MAPS, *(_AUXILIARY if head.options.get("aux_in_channels", 0) > 0 else ()))
