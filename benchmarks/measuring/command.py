"""What every benchmark's command starts from: its parser, its run, its files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring.result import Result, exit_status
from runtime.errors import OcrError

_PROGRAM = "python -m "


def command_parser(
    module: str, documentation: str | None, **options: Any
) -> argparse.ArgumentParser:
    """Return a parser of `python -m MODULE`, described by its documentation's first line.

    Args:
        module: as Python finds it.
        documentation: of the module.
        options: more of `argparse.ArgumentParser`.
    """
    return argparse.ArgumentParser(
        prog=f"{_PROGRAM}{module}", description=(documentation or "").splitlines()[0], **options
    )


def run_command(
    parser: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace, Sequence[str]], Result],
    arguments: Sequence[str] | None,
    lines_of: Callable[[Result], Iterable[str]] = lambda result: (),
) -> int:
    """Measure as a command line says, and return the exit status; see `exit_status`.

    Args:
        parser: as `command_parser` makes it, with the option `--output`.
        measure: takes the options, and the arguments that they stand in.
        arguments: of the command; None for those of this process.
        lines_of: what is printed of the result.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    program = parser.prog.removeprefix(_PROGRAM)
    return exit_status(program, lambda: measure(options, given), lines_of, options.output)


def require_files(*files: Path) -> None:
    """Raise OcrError, naming the first that is no file."""
    for file in files:
        if not file.is_file():
            raise OcrError(f"no such file: {file}; check the path")
