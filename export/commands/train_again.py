"""`python -m export train-again`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_config
from runtime.errors import ConfigError

HELP = "a checkpoint that trains, of a deployed ONNX file and the config of its network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file, the config, the images and the target."""
    parser.add_argument("model", type=Path, help="an ONNX file in FP32, whoever exported it")
    add_config(parser, "a training config with this network")
    parser.add_argument(
        "--calibrate",
        required=True,
        nargs="+",
        metavar="PATH",
        help="images like those it reads, on which the statistics of its BatchNorms are measured: "
        "files, folders, patterns",
    )
    parser.add_argument(
        "--count", type=int, metavar="N", help="of them; default: 64 lines, 8 pages"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="CHECKPOINT")
    parser.add_argument("--network", default="Student", help="of a config of several")
    parser.add_argument("--dictionary", type=Path, help="for a file that carries no characters")


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Take one network back; return its checkpoint and the proof.

    Raises:
        ConfigError: if the count cannot be.
    """
    if options.count is not None and not 1 <= options.count <= 4096:
        raise ConfigError(f"--count: expected 1 to 4096 images, got {options.count}")
    from export.reversal.chain import Request, train_again
    from training.config import load_config

    return train_again(
        Request(
            model=options.model,
            config=load_config(options.config, options.override),
            images=options.calibrate,
            output=options.output,
            network=options.network,
            dictionary=options.dictionary,
            count=options.count,
        )
    )
