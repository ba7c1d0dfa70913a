"""From a checkpoint to a verified ONNX file.

    python -m export --config configs/….yml --checkpoint output/best_accuracy --network Student \\
        --output-dir exported [--images crops/]
    python -m export strip …     the network's .pdparams alone, to fine-tune it by itself
    python -m export inspect MODEL.onnx
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runtime.errors import OcrError

COMMANDS = ("all", "strip", "inspect")


def build_parser() -> argparse.ArgumentParser:
    """Parser of the command line; without a command it is `all`."""
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("all", "strip"):
        one = commands.add_parser(command)
        one.add_argument("-c", "--config", required=True, type=Path, help="the training config")
        one.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="K=V")
        one.add_argument("--checkpoint", required=True, help="file, prefix or folder")
        one.add_argument("--network", default="Student", help="default: Student")
        one.add_argument("--output-dir", required=True, type=Path)
    commands.choices["all"].add_argument(
        "--images", nargs="+", default=[], help="line images to compare on; rendered without it"
    )
    commands.add_parser("inspect").add_argument("model", type=Path)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in (*COMMANDS, "-h", "--help"):
        given.insert(0, "all")
    options = build_parser().parse_args(given)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        print(_run(options))
    except OcrError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> str:
    # Imports wait until the arguments are right: paddle takes seconds, and inspecting needs none.
    if options.command == "inspect":
        return _inspect(options.model)
    # As it is imported paddle looks for a compiler cache, of which nothing here has a use.
    warnings.filterwarnings("ignore", message="No ccache found")
    from export.chain import export_network, strip_network
    from training.config import load_config

    config = load_config(options.config, options.override)
    target = (options.checkpoint, options.network, options.output_dir)
    result: dict[str, Any]
    if options.command == "strip":
        result = strip_network(config, *target)
    else:
        result = export_network(config, *target, options.images)
    return json.dumps(result, ensure_ascii=False)


def _inspect(model: Path) -> str:
    """What a model says of itself, readably."""
    from runtime.sessions import open_session

    session = open_session(model, device="cpu")
    spec = asdict(session.spec)
    session.close()
    characters = spec.pop("characters")
    lines = [f"{model}", f"  {'characters':20} {len(characters)}: {''.join(characters)}"]
    lines += [f"  {name:20} {value}" for name, value in spec.items() if value not in ("", {})]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
