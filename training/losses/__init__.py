"""Losses by PaddleOCR's names: outputs and [images, labels, lengths] -> named scalars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.combined_loss import TOTAL, CombinedLoss
from training.distillation.losses import (
    DistillationCTCLoss,
    DistillationDistanceLoss,
    DistillationDMLLoss,
    DistillationKLDivLoss,
    DistillationLossFromOutput,
    as_pairs,
)
from training.recognition.losses import ACELoss, CenterLoss, CTCLoss
from training.registry import Problem, Registry, raise_problems

__all__ = [
    "LOSSES",
    "TOTAL",
    "CombinedLoss",
    "as_pairs",
    "build_loss",
    "check_loss",
    "loss_parts",
    "networks_used",
]

LOSSES = Registry(
    "loss",
    {
        "CTCLoss": CTCLoss,
        "ACELoss": ACELoss,
        "CenterLoss": CenterLoss,
        "DistillationCTCLoss": DistillationCTCLoss,
        "DistillationDMLLoss": DistillationDMLLoss,
        "DistillationDistanceLoss": DistillationDistanceLoss,
        "DistillationKLDivLoss": DistillationKLDivLoss,
        "DistillationLossFromOutput": DistillationLossFromOutput,
    },
    unused=frozenset({"multi_head", "dis_head", "maps_name"}),
)
_LOGGED_AS = {"CTCLoss": "loss_ctc", "ACELoss": "loss_ace", "CenterLoss": "loss_center"}


def loss_parts(config: Mapping[str, Any]) -> list[tuple[str, str, float, dict[str, Any]]]:
    """Path, name, weight and options of every loss of a checked `Loss` section."""
    if config["name"] != "CombinedLoss":
        options = {key: value for key, value in config.items() if key != "name"}
        return [("Loss", config["name"], 1.0, options)]
    parts = []
    for index, entry in enumerate(config["loss_config_list"]):
        ((name, options),) = entry.items()
        rest = {key: value for key, value in (options or {}).items() if key != "weight"}
        parts.append((f"Loss.loss_config_list.{index}.{name}", name, options["weight"], rest))
    return parts


def networks_used(options: Mapping[str, Any]) -> list[str]:
    """Names of the networks that one distillation loss looks at, in order, each once."""
    names = list(options.get("model_name_list", []))
    names += [name for pair in as_pairs(options.get("model_name_pairs", [])) for name in pair]
    return list(dict.fromkeys(names))


def check_loss(config: object) -> list[Problem]:
    """Problems of the `Loss` section, without building it."""
    if not isinstance(config, Mapping) or "name" not in config:
        return [Problem("Loss", f"expected a mapping with a name, got {config!r}")]
    if config["name"] != "CombinedLoss":
        return LOSSES.check(config, "Loss")
    entries = config.get("loss_config_list")
    if not isinstance(entries, list) or not entries:
        return [Problem("Loss.loss_config_list", f"expected a list of losses, got {entries!r}")]
    problems = [
        Problem(f"Loss.{key}", f"unknown key {key!r}: expected name and loss_config_list")
        for key in config.keys() - {"name", "loss_config_list"}
    ]
    for index, entry in enumerate(entries):
        path = f"Loss.loss_config_list.{index}"
        if not isinstance(entry, Mapping) or len(entry) != 1:
            problems.append(Problem(path, f"expected one loss with its options, got {entry!r}"))
            continue
        ((name, options),) = entry.items()
        path = f"{path}.{name}"
        if not isinstance(options, Mapping) or not _is_weight(options.get("weight")):
            problems.append(Problem(path, f"expected options with a weight, got {options!r}"))
            continue
        rest = {key: value for key, value in options.items() if key != "weight"}
        problems += LOSSES.check_options(name, rest, path)
    return problems


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def build_loss(config: Mapping[str, Any]) -> CombinedLoss:
    """Build the `Loss` section; the section is left as it is.

    Raises:
        ConfigError: naming every problem.
    """
    raise_problems(check_loss(config))
    return CombinedLoss(
        [
            (_LOGGED_AS.get(name, name), weight, LOSSES.build_options(name, options, path))
            for path, name, weight, options in loss_parts(config)
        ]
    )
