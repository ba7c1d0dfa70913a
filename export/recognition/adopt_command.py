"""The part of `python -m export adopt` that belongs to recognisers; imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> list[str]:
    """Add what a recogniser may leave unsaid; return the names of the options."""
    group = parser.add_argument_group(
        "what a recogniser does not say", "Without these it is read as PaddleOCR's are."
    )
    options = (
        group.add_argument(
            "--dictionary", type=Path, help="one character per line; instead of the model's own"
        ),
        group.add_argument(
            "--height",
            type=int,
            metavar="PX",
            help="H, where neither inference.yml nor model fix it",
        ),
        group.add_argument(
            "--blank",
            choices=("first", "last"),
            help="which class the CTC blank is: first (PaddleOCR, EasyOCR) or last (docTR, "
            "OpenVINO)",
        ),
        group.add_argument(
            "--space",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="whether the space is a class of its own behind the characters listed",
        ),
        group.add_argument(
            "--layout",
            metavar="NTK|TNK|…",
            help="order of the output's dimensions: N batch, T time steps, K classes",
        ),
        group.add_argument(
            "--output-name", metavar="NAME", help="the output that holds the scores"
        ),
        group.add_argument(
            "--resize",
            choices=("bilinear", "area"),
            help="how lines are brought to the height: bilinear (PaddleOCR), or averaged over "
            "areas from 1.25 times the height on",
        ),
    )
    return [option.dest for option in options]


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Adopt one recogniser; return path and parity."""
    from export.recognition.adopt import adopt
    from runtime.recognition.model.told import Told

    told = Told(
        blank=options.blank,
        has_space=options.space,
        layout=options.layout,
        height_px=options.height,
        color_order=options.color_order,
        mean=_number(options.mean, "--mean"),
        std=_number(options.std, "--std"),
        output_name=options.output_name,
        resize=options.resize,
    )
    return adopt(
        options.model,
        options.output,
        dictionary=options.dictionary,
        told=told,
        opset=options.opset,
        images=options.images,
    )


def _number(given: list[float] | None, flag: str) -> float | None:
    if given is not None and len(given) != 1:
        raise ConfigError(f"{flag}: expected one number for all channels, got {given}")
    return given[0] if given else None
