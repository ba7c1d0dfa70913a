"""Prints what makes a shell complete `distilrec`, its sub-commands and their options.

bash: distilrec completion bash > ~/.local/share/bash-completion/completions/distilrec
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from distilrec.commands import COMMANDS
from distilrec.parsers import parser_of
from runtime.errors import OcrError
from runtime.program import PROGRAM, program_name
from runtime.standard_streams import open_standard_streams, say

DONE, UNUSABLE = 0, 2
SHELLS = ("bash", "zsh", "fish")
_NO_OPTIONS = ("completion",)
"""Commands without options of their own: this very command."""


def whole_parser() -> tuple[argparse.ArgumentParser, list[str]]:
    """Return a parser of every sub-command, and the names of those whose packages are missing."""
    whole = argparse.ArgumentParser(prog=PROGRAM)
    whole.add_argument("--version", action="store_true", help="print the version")
    whole.add_argument("--debug", action="store_true", help="show the cause of an error")
    commands = whole.add_subparsers(metavar="COMMAND")
    missing = []
    for name, command in COMMANDS.items():
        own: list[argparse.ArgumentParser] = []
        if name not in _NO_OPTIONS:
            try:
                own = [own_parser(name)]
            except ImportError:
                missing.append(name)
        commands.add_parser(name, help=command.what, parents=own, add_help=not own)
    return whole, missing


def own_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of what the user writes behind a sub-command's name."""
    parser = parser_of(name)
    for word in COMMANDS[name].first:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parser = action.choices[word]
                break
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog=program_name("distilrec.completion"), description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("shell", choices=SHELLS)
    options = parser.parse_args(arguments)
    try:
        print(completion_for(options.shell))
    except OcrError as error:
        say(f"completion: {error}")
        return UNUSABLE
    return DONE


def completion_for(shell: str) -> str:
    """Return the script of a shell.

    Raises:
        OcrError: if shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise OcrError(
            "shtab is not installed, which writes the script: pip install 'distilrec[completion]'"
        ) from error
    whole, missing = whole_parser()
    if missing:
        say(f"without the options of {', '.join(missing)}: what these need is not installed")
    script: str = shtab.complete(whole, shell=shell)
    return script


if __name__ == "__main__":
    sys.exit(main())
