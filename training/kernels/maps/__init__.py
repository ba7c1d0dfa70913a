"""Fast CPU kernels for detectors' maps: how a head makes them, and how they differ from labels."""

from __future__ import annotations

from training.kernels.maps.binary import binary_map, three_maps
from training.kernels.maps.losses import Label, map_losses, serves_maps
from training.kernels.maps.terms import BorderTerm, EntropyTerm, RegionTerm, Term

__all__ = [
    "BorderTerm",
    "EntropyTerm",
    "Label",
    "RegionTerm",
    "Term",
    "binary_map",
    "map_losses",
    "serves_maps",
    "three_maps",
]
