"""How this process was called, and how much it tells of an error."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from runtime.standard_streams import say

if TYPE_CHECKING:
    import argparse

PROGRAM = "distilrec"
"""The console command; its sub-commands are called `distilrec NAME`."""
DEBUG = "DISTILREC_DEBUG"
"""Environment variable; anything but nothing and 0 shows the causes of errors."""


def program_name(module: str) -> str:
    """Return how a command was called, for its usage.

    Args:
        module: that `python -m` runs.
    """
    called = sys.argv[0]
    return called if called.startswith(f"{PROGRAM} ") else f"python -m {module}"


def tell(module: str, message: str) -> None:
    """Say a message of a command on standard error, led by its name.

    Args:
        module: its name in messages; a sub-command's own where it was called as one.
        message: without the name.
    """
    name = program_name(module).rpartition(" ")[2]
    say(f"{name}: {message}")


def told(error: BaseException) -> str:
    """Return the message of an error, followed by where it and its causes come from in debugging.

    Args:
        error: as it was caught.
    """
    if os.environ.get(DEBUG, "0") in ("", "0"):
        return str(error)
    trace = "".join(traceback.format_exception(error)).rstrip()
    return f"{error}\n{trace}"


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, which `show` looks at."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def show(options: argparse.Namespace, text: str, values: Any) -> None:
    """Print a result on standard output.

    Args:
        options: with `json`, of `add_json`.
        text: for people.
        values: the same for programs, which `--json` prints in its place, on one line.
    """
    print(json.dumps(values, ensure_ascii=False, default=str) if options.json else text)
