"""`python -m export verify`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images, add_source, source_of
from runtime.errors import ConfigError

HELP = "compare forms of one network on images: paddle, ONNX, FP16 ONNX, engine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the forms, the images and the tolerances."""
    parser.add_argument(
        "models",
        nargs="+",
        type=Path,
        help=".onnx or .plan files; the first is what the others are held against, unless a "
        "checkpoint is given",
    )
    add_source(parser, is_required=False)
    add_images(parser)
    parser.add_argument("--labels", type=Path, help="a PaddleOCR label file, to tell accuracy too")
    parser.add_argument("--dictionary", type=Path, help="for a model that carries no characters")
    parser.add_argument(
        "--tolerance",
        type=float,
        help="on any probability; default: 1e-5 between forms in FP32, else 0.05",
    )
    parser.add_argument("--picture", type=Path, help="where to draw the worst images, a .png")


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Compare the forms; `passed` in the result gives the exit status.

    Raises:
        ConfigError: if there is nothing to compare with.
    """
    if options.checkpoint is not None and options.config is None:
        raise ConfigError("verify: --checkpoint needs --config, which describes the network")
    if options.labels is not None and not options.images:
        raise ConfigError("verify: --labels needs --images, which they are the text of")
    if options.checkpoint is None and len(options.models) < 2:
        raise ConfigError(
            f"verify: nothing to compare {options.models[0]} with: expected a second model, or "
            "--checkpoint and --config"
        )
    from export.proof.report import VerifyOptions, verify

    return verify(
        VerifyOptions(
            models=options.models,
            source=source_of(options) if options.checkpoint is not None else None,
            images=options.images,
            labels=options.labels,
            dictionary=options.dictionary,
            tolerance=options.tolerance,
            picture=options.picture,
        )
    )
