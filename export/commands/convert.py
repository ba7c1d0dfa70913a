"""`python -m export convert`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_conversion, add_images, add_source, options_of, source_of

HELP = "a checkpoint's network as ONNX, verified, and nothing else"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add source, lines, conversion and target."""
    add_source(parser)
    add_images(parser)
    add_conversion(parser)
    parser.add_argument("--output-dir", required=True, type=Path)


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Convert one network; return path, hash and parity."""
    source = source_of(options)
    from export.chain import convert_network

    return convert_network(source, options.output_dir, options_of(options))
