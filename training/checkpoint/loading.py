"""Loads parameters into a network, and reports what became of each name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import paddle
from numpy.typing import NDArray

from runtime.errors import CheckpointError

_MINIMUM_SHARE_LOADED = 0.5


@dataclass(frozen=True)
class LoadReport:
    """What became of each name when parameters met a network.

    Args:
        where: network and file, for messages.
        loaded: names whose arrays were taken.
        missing: names the network has and the file lacks.
        unused: names the file has and the network lacks.
        mismatched: name -> (shape of the network, shape in the file).
    """

    where: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    mismatched: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    def __str__(self) -> str:
        text = (
            f"{self.where}: {len(self.loaded)} loaded, {len(self.missing)} missing, "
            f"{len(self.mismatched)} of another shape, {len(self.unused)} not used"
        )
        for name, (wanted, got) in list(self.mismatched.items())[:4]:
            text += f"; {name} is {list(wanted)} here, {list(got)} there"
        return text


def load_into(
    layer: paddle.nn.Layer,
    parameters: Mapping[str, NDArray[Any]],
    where: str,
    is_partial_allowed: bool = False,
    is_resized_head_allowed: bool = False,
) -> LoadReport:
    """Put arrays into a network.

    paddle gives each weight of an LSTM two names; a file may hold either or both.

    Args:
        layer: the network.
        parameters: arrays by structured name.
        where: for messages.
        is_partial_allowed: accept names missing on either side while at least half fit.
        is_resized_head_allowed: leave a head of another number of classes as initialised.

    Raises:
        CheckpointError: if anything does not fit that was not allowed.
    """
    tensors = layer.state_dict()
    own = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    mismatched = {
        name: (shape, parameters[name].shape)
        for name, shape in own.items()
        if name in parameters and parameters[name].shape != shape
    }
    given = {id(tensors[name]) for name in own if name in parameters}
    report = LoadReport(
        where,
        loaded=tuple(name for name in own if name in parameters and name not in mismatched),
        missing=tuple(name for name in own if id(tensors[name]) not in given),
        unused=tuple(name for name in parameters if name not in own),
        mismatched=mismatched,
    )
    _refuse_unfitting(report, len(own), is_partial_allowed, is_resized_head_allowed)
    for name in report.loaded:
        tensors[name].set_value(parameters[name].astype("float32"))
    return report


def _refuse_unfitting(
    report: LoadReport, num_own: int, is_partial_allowed: bool, is_resized_head_allowed: bool
) -> None:
    is_head_alone = all("head." in name for name in report.mismatched)
    if report.mismatched and not (is_resized_head_allowed and is_head_alone):
        raise CheckpointError(
            f"shapes differ: {report}; use the dictionary and structure it was trained with, or "
            "set Global.allow_resized_head to start with a new head"
        )
    if not is_partial_allowed and (report.missing or report.unused):
        names = (report.missing or report.unused)[:3]
        raise CheckpointError(
            f"the names do not match one to one: {report}; for example {', '.join(names)}; "
            "is this the right network and config?"
        )
    if len(report.loaded) < _MINIMUM_SHARE_LOADED * num_own:
        raise CheckpointError(
            f"too little fits to be the right checkpoint: {report}; expected at least half of "
            f"{num_own} names"
        )
