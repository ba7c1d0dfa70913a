"""The part of `python -m export adopt` that belongs to detectors; imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

_NUMBERS = (
    ("--limit-side-len", int, "PX", "of the side that --limit-type names"),
    ("--resize-long", int, "PX", "of the longer side; both are rounded up to 128 px"),
    ("--max-side-limit", int, "PX", "no side has more"),
    ("--thresh", float, "P", "a pixel above it is text"),
    ("--box-thresh", float, "P", "a box whose mean is below it is dropped"),
    ("--max-candidates", int, "N", "how many regions of a map are looked at"),
    ("--unclip-ratio", float, "R", "how far a box is moved outwards"),
)
_CHOICES = (
    ("--limit-type", ("min", "max", "resize_long")),
    ("--score-mode", ("fast", "slow")),
    ("--box-type", ("quad", "poly")),
)


def add_arguments(parser: argparse.ArgumentParser) -> list[str]:
    """Add what a detector may leave unsaid, by PaddleOCR's names; return those of the options."""
    group = parser.add_argument_group(
        "what a detector does not say",
        "Of DetResizeForTest and DBPostProcess; without these it is read as PaddleOCR 3 reads.",
    )
    options = [
        group.add_argument(flag, type=kind, metavar=unit, help=what)
        for flag, kind, unit, what in _NUMBERS
    ]
    options += [group.add_argument(flag, choices=choices) for flag, choices in _CHOICES]
    options += [
        group.add_argument("--image-shape", type=int, nargs=2, metavar=("H", "W"), help="fixed"),
        group.add_argument(
            "--use-dilation",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="grow regions by a pixel",
        ),
        group.add_argument("--scale", type=float, help="of the levels; default: 1 / 255"),
    ]
    return [option.dest for option in options]


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Adopt one detector; return path and parity."""
    from dataclasses import fields

    from export.detection.adopt import adopt
    from export.detection.told import Told

    given = vars(options)
    said: dict[str, Any] = {part.name: given[part.name] for part in fields(Told)}
    lists = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
    told = Told(**{**said, **lists})
    return adopt(
        options.model, options.output, told=told, opset=options.opset, images=options.images
    )
