"""Loads parameters into a network, and reports what became of each name.

A layer can say which entries of its state a file may lack, may hold in vain or may have in
another shape, in an attribute or property `optional_state`: {name inside the layer: reason}, where
a name stands for all names below it. The network keeps its own values then. What a layer runs in
training alone, as its `training_only` says, may be absent where the network is only read with.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import paddle
from numpy.typing import NDArray

from runtime.errors import CheckpointError
from training.backbones.reparameterise import reparameterise

_MINIMUM_SHARE_LOADED = 0.5
_SHOWN = 4
_ONLY_TRAINING = "only training runs it"
Shapes = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class LoadReport:
    """What became of each name when parameters met a network.

    Args:
        where: network and file, for messages.
        loaded: names whose arrays were taken.
        missing: names the network has and the file lacks.
        unused: names the file has and the network lacks.
        mismatched: name -> (shape of the network, shape in the file).
        left_out: name -> why it does not matter that it was not loaded; none of the above.
    """

    where: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    mismatched: Mapping[str, Shapes] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> str:
        """Say how many names were loaded and how many were not, and which shapes differ."""
        text = (
            f"{self.where}: {len(self.loaded)} loaded, {len(self.missing)} missing, "
            f"{len(self.mismatched)} of another shape, {len(self.unused)} not used"
        )
        for name, (wanted, got) in list(self.mismatched.items())[:_SHOWN]:
            text += f"; {name} is {list(wanted)} here, {list(got)} there"
        return text

    def __str__(self) -> str:
        text = self.counts
        if self.missing:
            text += f"; missing, so as initialised: {_parts(self.missing, self.loaded)}"
        if self.unused:
            text += f"; not used, the network has none: {_parts(self.unused, self.loaded)}"
        reasons: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            text += f"; left out: {_parts(names, self.loaded)}, {reason}"
        return text


def _parts(names: Iterable[str], others: Iterable[str]) -> str:
    """Name the largest parts of a network whose names are all among `names`, none in `others`."""
    taken = {
        ".".join(pieces[:length])
        for pieces in (name.split(".") for name in others)
        for length in range(len(pieces) + 1)
    }
    parts: dict[str, list[str]] = {}
    for name in names:
        pieces = name.split(".")
        prefixes = (".".join(pieces[:length]) for length in range(1, len(pieces)))
        part = next((prefix for prefix in prefixes if prefix not in taken), name)
        parts.setdefault(part, []).append(name)
    shown = [
        f"{part} ({len(inside)} names)" if len(inside) > 1 else inside[0]
        for part, inside in list(parts.items())[:_SHOWN]
    ]
    more = len(parts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def load_into(
    layer: paddle.nn.Layer,
    parameters: Mapping[str, NDArray[Any]],
    where: str,
    is_partial_allowed: bool = False,
    is_resized_head_allowed: bool = False,
    is_for_reading: bool = False,
) -> LoadReport:
    """Put arrays into a network.

    paddle gives each weight of an LSTM two names; a file may hold either or both.

    Args:
        layer: the network; a file need not fit the `optional_state` of its layers.
        parameters: arrays by structured name.
        where: for messages.
        is_partial_allowed: accept names missing on either side while at least half fit.
        is_resized_head_allowed: leave a head of another number of classes as initialised.
        is_for_reading: the network will not be trained: what only training runs may be absent.

    Raises:
        CheckpointError: if anything does not fit that was not allowed.
    """
    tensors = layer.state_dict()
    own = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    given = {id(tensors[name]) for name in own if name in parameters}
    missing = [name for name in own if id(tensors[name]) not in given]
    unused = [name for name in parameters if name not in own]
    if missing and unused:
        _refuse_merged(layer, missing, unused, where)
    mismatched = {
        name: (shape, parameters[name].shape)
        for name, shape in own.items()
        if name in parameters and parameters[name].shape != shape
    }
    unfitting = [*missing, *unused, *mismatched]
    reasons = _optional_names(layer, unfitting)
    of_training = _training_names(layer, unfitting)
    if is_for_reading:
        reasons = {**of_training, **reasons}
    report = LoadReport(
        where,
        loaded=tuple(name for name in own if name in parameters and name not in mismatched),
        missing=tuple(name for name in missing if name not in reasons),
        unused=tuple(name for name in unused if name not in reasons),
        mismatched={name: pair for name, pair in mismatched.items() if name not in reasons},
        left_out=reasons,
    )
    # A part that only training runs, and that a file lacks, says nothing of the others.
    num_wanted = sum(name not in reasons for name in own)
    num_wanted -= sum(name in of_training for name in report.missing)
    _refuse_unfitting(report, num_wanted, is_partial_allowed, is_resized_head_allowed)
    for name in report.loaded:
        tensors[name].set_value(parameters[name].astype("float32"))
    return report


def _optional_names(layer: paddle.nn.Layer, names: Iterable[str]) -> dict[str, str]:
    """Return those of the names that some layer calls optional, each with the reason."""
    return _below(
        {
            f"{path}.{entry}".lstrip("."): reason
            for path, part in layer.named_sublayers(include_self=True)
            for entry, reason in getattr(part, "optional_state", {}).items()
        },
        names,
    )


def _training_names(layer: paddle.nn.Layer, names: Iterable[str]) -> dict[str, str]:
    """Return those of the names that are of parts which only training runs, with that reason."""
    return _below(
        {
            f"{path}.{entry}".lstrip("."): _ONLY_TRAINING
            for path, part in layer.named_sublayers(include_self=True)
            for entry in getattr(part, "training_only", ())
        },
        names,
    )


def _below(reasons: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the reason of each name that has one, or that stands below one that has."""
    return {
        name: reason
        for name in names
        for entry, reason in reasons.items()
        if name == entry or name.startswith(f"{entry}.")
    }


def _refuse_merged(
    layer: paddle.nn.Layer, missing: Iterable[str], unused: Iterable[str], where: str
) -> None:
    """Refuse a file whose layers were merged for inference, where the network's are apart."""
    if not any(hasattr(part, "reparameterise") for part in layer.sublayers()):
        return
    merged = copy.deepcopy(layer)
    reparameterise(merged)
    names = merged.state_dict()
    instead = next((name for name in unused if name in names), None)
    gone = next((name for name in missing if name not in names), None)
    if instead is not None and gone is not None:
        raise CheckpointError(
            f"{where} was merged for inference: expected {gone} and the other branches, got "
            f"{instead} in their place, from which they cannot be found again; name the "
            "checkpoint that training saved"
        )


def _refuse_unfitting(
    report: LoadReport, num_wanted: int, is_partial_allowed: bool, is_resized_head_allowed: bool
) -> None:
    is_head_alone = all("head." in name for name in report.mismatched)
    if report.mismatched and not (is_resized_head_allowed and is_head_alone):
        # Weights that a run starts from need not be whole; a run that goes on is the same.
        remedy = (
            "or set Global.allow_resized_head to start with a new head"
            if is_partial_allowed
            else "or start anew from these weights with Global.pretrained_model, which keeps the "
            "classes of another dictionary by character"
        )
        raise CheckpointError(
            f"shapes differ: {report.counts}; use the dictionary and structure it was trained "
            f"with, {remedy}"
        )
    if not is_partial_allowed and (report.missing or report.unused):
        names = (report.missing or report.unused)[:3]
        raise CheckpointError(
            f"the names do not match one to one: {report.counts}; for example {', '.join(names)}; "
            "is this the right network and config?"
        )
    if len(report.loaded) < _MINIMUM_SHARE_LOADED * num_wanted:
        raise CheckpointError(
            f"too little fits to be the right checkpoint: {report.counts}; expected at least half "
            f"of {num_wanted} names"
        )
