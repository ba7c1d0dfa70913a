"""`python -m export inspect`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from runtime.program import add_json

HELP = "what a model or an engine says of itself"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file and a dictionary for it."""
    add_json(parser)
    parser.add_argument("model", type=Path)
    parser.add_argument("--dictionary", type=Path, help="for a model that carries no characters")


def run(options: argparse.Namespace) -> str:
    """Return a description of the file, for people or with `--json` for programs."""
    from export.inspection import described, facts_of

    if options.json:
        facts = facts_of(options.model, options.dictionary)
        return json.dumps(facts, ensure_ascii=False, default=str)
    return described(options.model, options.dictionary)
