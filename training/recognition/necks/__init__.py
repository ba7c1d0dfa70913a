"""Necks by PaddleOCR's names: features [N, C, 1, T] -> sequence [N, T, C]."""

from __future__ import annotations

from collections.abc import Mapping

from training.recognition.necks.sequence_encoder import ENCODERS, SequenceEncoder
from training.registry import Component, Problems, Registry, unknown_name

NECKS = Registry("neck", {"SequenceEncoder": SequenceEncoder}, injected=frozenset({"in_channels"}))


def read_encoder(section: object, path: str, problems: Problems) -> Component | None:
    """Read the neck of a branch of `MultiHead`, without building it.

    Args:
        section: `{name: svtr, **options}`, whose name is an encoder type of SequenceEncoder.
        path: its place in the config, for messages.
        problems: found problems are added to these.

    Returns:
        The SequenceEncoder, to be built with `in_channels`; None if there is a problem.
    """
    if not isinstance(section, Mapping):
        problems.add(path, f"expected a mapping with a name, got {section!r}")
        return None
    name = section.get("name")
    if not isinstance(name, str) or name not in ENCODERS:
        problems.add(f"{path}.name", unknown_name("encoder", name, ENCODERS))
        return None
    options = {key: value for key, value in section.items() if key != "name"}
    if "encoder_type" in options:
        problems.add(f"{path}.encoder_type", "the name is the encoder type: expected nothing here")
        return None
    options["encoder_type"] = name
    return NECKS.read_options("SequenceEncoder", options, path, problems)
