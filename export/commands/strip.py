"""`python -m export strip`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_source, options_of, source_of
from runtime.errors import ConfigError

HELP = "the network's parameters alone, to fine-tune it or to look inside"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add source and target, or `--list`."""
    add_source(parser, is_required=False)
    parser.add_argument("--output-dir", type=Path)
    parser.add_argument("--safetensors", action="store_true", help="write .safetensors too")
    parser.add_argument(
        "--list", action="store_true", help="only list the networks; --checkpoint alone is needed"
    )


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Strip one network, or list all.

    Raises:
        ConfigError: naming the arguments that are missing.
    """
    needed = ("checkpoint",) if options.list else ("checkpoint", "config", "output_dir")
    missing = [f"--{name.replace('_', '-')}" for name in needed if getattr(options, name) is None]
    if missing:
        raise ConfigError(
            f"strip: missing {', '.join(missing)}; with --list it needs --checkpoint alone"
        )
    if options.list:
        from training.checkpoint.parameters import count_values, networks_in, read_parameters

        networks = networks_in(read_parameters(options.checkpoint))
        return {
            "checkpoint": options.checkpoint,
            "networks": {
                name or "(a single network)": {"values": count_values(arrays), "names": len(arrays)}
                for name, arrays in networks.items()
            },
        }
    source = source_of(options)
    from export.chain import strip_network

    return strip_network(source, options.output_dir, options_of(options))
