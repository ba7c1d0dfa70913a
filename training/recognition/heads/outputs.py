"""Names of what a head of several decoders returns in training."""

from __future__ import annotations

from collections.abc import Mapping

from training.registry import Component

_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "CTCHead": ("ctc", "ctc_neck"),
    "NRTRHead": ("gtc",),
    "SARHead": ("sar",),
}
"""By decoder: PaddleOCR's names of a `MultiHead`'s outputs."""


def head_outputs(head: Component) -> tuple[str, ...]:
    """Return the names of a head's outputs; none if it returns one output alone.

    Args:
        head: of a config; `head_list` names its decoders.
    """
    decoders = [name for entry in head.options.get("head_list", []) for name in entry]
    return tuple(output for name in decoders for output in _OUTPUTS.get(name, ()))
