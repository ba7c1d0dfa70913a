"""Checks that the checkpoints of a config exist and look whole, without reading them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runtime.errors import CheckpointError
from training.checkpoint.parameters import PARAMETERS, SAFETENSORS, parameters_path
from training.checkpoint.saved import AVERAGES, OPTIMIZER, STATES, is_waiting

_PICKLE_STOP = b"."
_LENGTH_BYTES = 8
"""A `.safetensors` file begins with the length of its header."""


def problems_of_weights(sections: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield path and message of what is wrong with the checkpoints that a config names.

    `Global.pretrained_model`, `Global.checkpoints` and each network's `pretrained`.

    Args:
        sections: of a config, which need not be right otherwise.
    """
    settings, architecture = (
        section if isinstance(section, Mapping) else {}
        for section in (sections.get("Global"), sections.get("Architecture"))
    )
    networks = {"Architecture": architecture}
    if isinstance(architecture.get("Models"), Mapping):
        models = architecture["Models"].items()
        networks = {f"Architecture.Models.{name}": network for name, network in models}
    named = {
        f"{path}.pretrained": network.get("pretrained")
        for path, network in networks.items()
        if isinstance(network, Mapping)
    }
    named["Global.pretrained_model"] = settings.get("pretrained_model")
    for path, checkpoint in named.items():
        if isinstance(checkpoint, str) and checkpoint:
            reason = _reason_against(checkpoint)
            if reason:
                yield path, reason
    resumed = settings.get("checkpoints")
    if isinstance(resumed, str) and resumed:
        reason = _reason_against_resuming(resumed)
        if reason:
            yield "Global.checkpoints", reason


def _reason_against(checkpoint: str) -> str:
    """Return why the weights cannot be read, judged by their file's ends; empty if they can."""
    if "://" in checkpoint:
        return (
            f"nothing is downloaded: expected a file, got {checkpoint}; fetch it and name the file"
        )
    try:
        path = parameters_path(checkpoint)
    except CheckpointError as error:
        return str(error)
    return _reason_against_file(path)


def _reason_against_resuming(checkpoint: str) -> str:
    prefix = Path(checkpoint.removesuffix(PARAMETERS))
    if not prefix.is_dir() and is_waiting(prefix):
        return ""  # a save that was cut off, which resuming finishes
    reason = _reason_against(checkpoint)
    if reason:
        return f"{reason}; to begin a new run take it out"
    prefix = parameters_path(checkpoint).with_suffix("")
    for suffix in (OPTIMIZER, STATES, AVERAGES):
        file = prefix.with_name(prefix.name + suffix)
        if suffix == AVERAGES and not file.is_file():
            continue
        if not file.is_file():
            return (
                f"no file {file}: a run resumes from {PARAMETERS}, {OPTIMIZER} and {STATES}; to "
                "start from the weights alone name them under Global.pretrained_model"
            )
        reason = _reason_against_file(file)
        if reason:
            return reason
    return ""


def _reason_against_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(_LENGTH_BYTES)
            file.seek(max(0, size - 1))
            last = file.read(1)
    except OSError as error:
        return f"cannot read {path}: {error.strerror or error}; check its permissions"
    if path.suffix == SAFETENSORS:
        is_whole = len(head) == _LENGTH_BYTES and (
            _LENGTH_BYTES + int.from_bytes(head, "little") <= size
        )
    else:
        is_whole = last == _PICKLE_STOP
    if is_whole:
        return ""
    return f"{path} is damaged or cut short ({size} bytes); copy or download it again"
