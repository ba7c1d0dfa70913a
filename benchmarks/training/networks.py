"""The networks and losses of a config, as every contender is to build them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring.machine import ROOT
from benchmarks.parity.paddleocr import import_builders
from benchmarks.training.settings import FINDING, READING, StepSettings
from runtime.errors import ConfigError
from training.config import Config

if TYPE_CHECKING:
    import paddle

PAIR_CONFIG = ROOT / "configs" / "ch_PP-OCRv2_rec_distillation.yml"
_CLASSES = {"PP-OCRv5": 18385, "PP-OCRv6_tiny": 6906, "PP-OCRv6": 18710}
"""K with PaddleOCR's own dictionaries, by how a config's name begins."""
_CHINESE = 6625
_DECODERS = {"SARHead": "sar", "NRTRHead": "gtc"}
_MORE_CLASSES = {"CTCLabelDecode": 0, "SARLabelDecode": 2, "NRTRLabelDecode": 3}
HEIGHT_PX, TIME_STRIDE_PX = 48, 8
"""Of every family since PP-OCRv3."""
LINE_PX, PAGE_PX = 320, 640
"""Widths where no option gives another."""


def classes_of(config: Path) -> int:
    """Return K of a config by its name: dictionaries are not needed to measure."""
    found = [count for name, count in _CLASSES.items() if config.stem.startswith(name)]
    return found[0] if found else _CHINESE


def decoder_of(config: Config) -> str:
    """Return whose labels the losses want beside CTC's: `sar`, `gtc`, or none if empty."""
    for head in _heads(config.sections["Architecture"]):
        for name in (name for entry in head.get("head_list", []) for name in entry):
            if name in _DECODERS:
                return _DECODERS[name]
    return ""


def build_with_paddleocr(
    config: Config, settings: StepSettings
) -> tuple[paddle.nn.Layer, Callable[[Any], Any], Callable[[Any, Any], Any]]:
    """Build PaddleOCR's own networks and losses from its checkout.

    Returns:
        The model, a function from a batch by name to its outputs, and one from outputs and batch
        to the losses by name.
    """
    build_model, build_loss = import_builders(Path(settings.paddleocr))
    # Its constructors change the config they are given.
    architecture, loss = (copy.deepcopy(config.sections[key]) for key in ("Architecture", "Loss"))
    for head in _heads(architecture) if settings.task == READING else ():
        if head["name"] == "MultiHead":
            head["out_channels_list"] = {
                name: settings.classes + more for name, more in _MORE_CLASSES.items()
            }
        else:
            head["out_channels"] = settings.classes
    for entry in loss.get("loss_config_list", []):
        for name in entry.keys() & {"SARLoss", "DistillationSARLoss"}:
            entry[name] = {**(entry[name] or {}), "ignore_index": settings.classes + 1}
    model, losses = build_model(architecture), build_loss(loss)
    # It takes batches as lists, without the image for the networks.
    if settings.task == FINDING:
        return (
            model,
            lambda batch: model(batch["image"]),
            lambda outputs, batch: losses(outputs, list(batch.values())),
        )
    return (
        model,
        lambda batch: model(batch["image"], data=list(batch.values())[1:]),
        lambda outputs, batch: losses(outputs, list(batch.values())),
    )


def _heads(architecture: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sections of all networks' heads."""
    networks = architecture["Models"].values() if "Models" in architecture else [architecture]
    return [network["Head"] for network in networks]


def check_config(path: Path) -> Path:
    """Return the path of a config; raises ConfigError if it is none."""
    if not path.is_file():
        raise ConfigError(f"--config {path}: expected a config, got no such file")
    return path.resolve()
