"""Bare `python -m export`: the whole road."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import (
    add_conversion,
    add_images,
    add_source,
    options_of,
    source_of,
)

HELP = "strip, convert and verify; what runs when no command is named"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Source, conversion, and what else to write."""
    add_source(parser)
    add_images(parser)
    add_conversion(parser)
    parser.add_argument("--output-dir", required=True, type=Path)
    parser.add_argument("--safetensors", action="store_true", help="write the parameters so too")
    parser.add_argument("--triton", type=Path, metavar="DIR", help="a Triton model repository")
    parser.add_argument(
        "--model-name", default="", help="for PaddleX, in inference.yml; default: one that it knows"
    )


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Export one network; the result's paths, hashes and parity."""
    source = source_of(options)
    from export.chain import export_network

    return export_network(source, options.output_dir, options_of(options))
