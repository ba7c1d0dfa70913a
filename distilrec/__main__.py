"""The command `distilrec`: finds the sub-command, and imports what that one needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from distilrec.commands import COMMANDS
from runtime.program import DEBUG, PROGRAM
from runtime.standard_streams import say

DONE, USAGE_ERROR = 0, 2


def help_text() -> str:
    """Return what `distilrec --help` prints: one screen."""
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {command.what}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} [--debug] COMMAND ...",
            "Train, export and run readers of text lines and pages:",
            *rows,
            "",
            f"{PROGRAM} COMMAND --help lists its options; --debug shows the cause of an error;",
            "--version prints the version.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; those of the process when None.

    Returns:
        the exit status: that of the sub-command, 2 where there is none of that name.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--debug"]:
        os.environ[DEBUG] = "1"
        del given[0]
    if not given or given[0] in ("-h", "--help", "help"):
        print(help_text())
        return DONE
    name, *rest = given
    if name in ("-V", "--version"):
        from runtime import __version__

        print(f"{PROGRAM} {__version__}")
        return DONE
    command = COMMANDS.get(name)
    if command is None:
        say(_unknown(name))
        return USAGE_ERROR
    # Usage and errors of the sub-command name it so; `runtime.program` reads it.
    sys.argv[0] = f"{PROGRAM} {name}"
    status: int = import_module(command.module).main([*command.first, *rest])
    return status


def _unknown(name: str) -> str:
    """Return the message about a name that is no sub-command."""
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, 1)
    nearest = f"; did you mean {close[0]}?" if close else ""
    return f"{PROGRAM}: expected a command ({', '.join(COMMANDS)}), got {name!r}{nearest}"


if __name__ == "__main__":
    sys.exit(main())
