"""`python -m export adopt`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images

HELP = "a self-describing ONNX of somebody else's model: PaddleOCR's folder, or a ready ONNX file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, its characters and the target."""
    parser.add_argument(
        "model",
        type=Path,
        help="a folder with inference.json or .pdmodel, .pdiparams and inference.yml; or .onnx",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE.onnx")
    parser.add_argument(
        "--dictionary", type=Path, help="one character per line; instead of the model's own"
    )
    add_told(parser)
    parser.add_argument("--opset", type=int, help="for a folder; default: 14, or 17 with LayerNorm")
    add_images(parser)


def add_told(parser: argparse.ArgumentParser) -> None:
    """Add what a model may leave unsaid; the file that is written says it."""
    group = parser.add_argument_group(
        "what the model does not say", "Without these it is read as PaddleOCR's models are."
    )
    group.add_argument(
        "--height", type=int, metavar="PX", help="H, where neither inference.yml nor model fix it"
    )
    group.add_argument(
        "--blank",
        choices=("first", "last"),
        help="which class the CTC blank is: first (PaddleOCR, EasyOCR) or last (docTR, OpenVINO)",
    )
    group.add_argument(
        "--space",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the space is a class of its own behind the characters listed",
    )
    group.add_argument(
        "--layout",
        metavar="NTK|TNK|…",
        help="order of the output's dimensions: N batch, T time steps, K classes",
    )
    group.add_argument("--output-name", metavar="NAME", help="the output that holds the scores")
    group.add_argument("--color-order", choices=("BGR", "RGB"), help="default: BGR")
    normal = "of the normalisation (x / 255 - mean) / std; default: 0.5"
    group.add_argument("--mean", type=float, help=normal)
    group.add_argument("--std", type=float, help=normal)


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Adopt one model; return path, hash and parity."""
    from export.recognition.adopt import adopt
    from runtime.recognition.model.told import Told

    told = Told(
        blank=options.blank,
        has_space=options.space,
        layout=options.layout,
        height_px=options.height,
        color_order=options.color_order,
        mean=options.mean,
        std=options.std,
        output_name=options.output_name,
    )
    return adopt(
        options.model,
        options.output,
        dictionary=options.dictionary,
        told=told,
        opset=options.opset,
        images=options.images,
    )
