"""`python -m export inspect`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "what a model or an engine says of itself"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file and a dictionary for it."""
    parser.add_argument("model", type=Path)
    parser.add_argument("--dictionary", type=Path, help="for a model that carries no characters")


def run(options: argparse.Namespace) -> str:
    """Return a readable description of the file."""
    from export.inspection import described

    return described(options.model, options.dictionary)
