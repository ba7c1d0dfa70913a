"""From a checkpoint to a verified ONNX file and engine.

    python -m export --config configs/….yml --checkpoint output/best_accuracy --network Student \\
        --output-dir exported [--images crops/]

Exit status: 0 done, 1 forms that were compared disagree, 2 nothing could be done, 130 and 143
interrupted by Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.errors import OcrError, ParityError
from runtime.program import program_name, told
from runtime.signals import status_of, stopped_by_signals
from runtime.standard_streams import (
    forget_stdout,
    lasting_streams,
    log_to_stderr,
    open_standard_streams,
    say,
)
from training.command import import_paddle
from training.output_folder import translate_disk_errors

COMMANDS = {
    "all": "everything",
    "strip": "strip",
    "convert": "convert",
    "precision": "precision",
    "quantize": "quantize",
    "build": "build",
    "graph": "graph",
    "verify": "verify",
    "prove-cpu": "prove_cpu",
    "adopt": "adopt",
    "train-again": "train_again",
    "inspect": "inspect",
    "doctor": "doctor",
}
"""Command -> module in `export.commands`."""

DONE, DISAGREE, NOTHING_DONE = 0, 1, 2


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; without a command it is `all`."""
    parser = argparse.ArgumentParser(
        prog=program_name("export"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module_name in COMMANDS.items():
        module = importlib.import_module(f"export.commands.{module_name}")
        subparser = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    open_standard_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in (*COMMANDS, "-h", "--help"):
        given.insert(0, "all")
    options = build_parser().parse_args(given)
    log_to_stderr(logging.WARNING)
    # Which engine the runtime chose is no news here.
    logging.getLogger("export").setLevel(logging.INFO)
    try:
        with lasting_streams("stderr"), stopped_by_signals(), translate_disk_errors():
            if getattr(options, "config", None) is not None:
                import_paddle()
            result = options.run(options)
    except ParityError as error:
        say(told(error))
        return DISAGREE
    except OcrError as error:
        say(told(error))
        return NOTHING_DONE
    except KeyboardInterrupt as stop:
        say("export: interrupted; every file is whole, or as it was")
        return status_of(stop)
    if not isinstance(result, Mapping):
        return _print_result(str(result), DONE)
    is_passed = result.get("passed", True)
    return _print_result(_shown(result, options.command), DONE if is_passed else DISAGREE)


def _shown(result: Mapping[str, Any], command: str) -> str:
    """Return a line of JSON for programs; on a terminal lines of it, and none of what was told."""
    if not sys.stdout.isatty():
        return json.dumps(result, ensure_ascii=False, allow_nan=False)
    if command == "all":
        return ""
    return json.dumps(result, ensure_ascii=False, allow_nan=False, indent=2)


def _print_result(text: str, status: int) -> int:
    """Print the result; the status, or another where it can be printed nowhere."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a character the terminal lacks
    try:
        print(text, end="\n" if text else "", flush=True)
    except BrokenPipeError:  # whoever read has had enough
        forget_stdout()
    except OSError as error:
        forget_stdout()
        say(
            f"export: the result cannot be printed: {error.strerror}; expected a standard output "
            "that can be written; every file is in its place"
        )
        return NOTHING_DONE
    return status


if __name__ == "__main__":
    sys.exit(main())
