"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.chain import ExportOptions, Source


def add_config(
    parser: argparse.ArgumentParser, told: str = "the training config", is_required: bool = True
) -> None:
    """Add the arguments that name a config and change its values."""
    parser.add_argument("-c", "--config", required=is_required, type=Path, help=told)
    parser.add_argument(
        "-o",
        "--override",
        nargs="+",
        action="extend",
        default=[],
        metavar="K=V",
        help="values instead of the config's, as in training",
    )


def add_source(parser: argparse.ArgumentParser, is_required: bool = True) -> None:
    """Add the arguments that name a network of a checkpoint."""
    add_config(parser, is_required=is_required)
    parser.add_argument(
        "--checkpoint",
        required=is_required,
        help="a .pdparams or .safetensors file, prefix, folder",
    )
    parser.add_argument("--network", default="Student", help="default: Student")


def add_images(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the images to compare on."""
    parser.add_argument(
        "--images",
        nargs="+",
        default=[],
        metavar="PATH",
        help="lines, or a detector's pages, to compare on: files, folders, patterns; rendered ones "
        "without it",
    )


def add_conversion(parser: argparse.ArgumentParser) -> None:
    """Add the shape and opset of the ONNX model."""
    parser.add_argument(
        "--opset", type=int, help="of the ONNX operators; default: 14, or 17 with LayerNorm"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="fix N; open without it")
    parser.add_argument("--width", type=int, metavar="PX", help="fix W; open without it")


def source_of(options: argparse.Namespace) -> Source:
    """Return the source that the arguments of `add_source` name.

    Raises:
        ConfigError: if the config cannot be read.
    """
    from export.chain import Source
    from training.config import load_config

    config = load_config(options.config, options.override)
    return Source(config, options.checkpoint, options.network)


def options_of(options: argparse.Namespace) -> ExportOptions:
    """Return the options that `add_images`, `add_conversion` and the command's arguments give."""
    from export.chain import ExportOptions

    given = vars(options)
    return ExportOptions(
        images=given.get("images", ()),
        opset=given.get("opset"),
        batch_size=given.get("batch_size"),
        width_px=given.get("width"),
        safetensors=given.get("safetensors", False),
        triton=given.get("triton"),
        model_name=given.get("model_name", ""),
    )
