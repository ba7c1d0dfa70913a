"""`python -m export adopt`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images

HELP = "a self-describing ONNX of somebody else's model: PaddleOCR's folder, or a ready ONNX file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, its characters, the target."""
    parser.add_argument(
        "model",
        type=Path,
        help="a folder with inference.json or .pdmodel, .pdiparams and inference.yml; or .onnx",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE.onnx")
    parser.add_argument(
        "--dictionary", type=Path, help="one character per line; instead of the model's own"
    )
    parser.add_argument(
        "--height", type=int, metavar="PX", help="H, where neither inference.yml nor model fix it"
    )
    parser.add_argument("--opset", type=int, default=14, help="for a folder; default: 14")
    add_images(parser)


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Adopt one model; path, hash and parity."""
    from export.adopt import adopt

    return adopt(
        options.model,
        options.output,
        dictionary=options.dictionary,
        height_px=options.height,
        opset=options.opset,
        images=options.images,
    )
