"""Gives the parser of a sub-command, as its own module builds it."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any
from unittest.mock import patch

from distilrec.commands import COMMANDS


class _Built(Exception):
    """A parser that was asked to parse."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser of a sub-command, of `export` for all that call it.

    Every module builds its parser where it parses; that is where this one is taken from, so that no
    second list of options can differ from the first.

    Args:
        name: in `COMMANDS`.

    Raises:
        ImportError: if the command needs a package that is not installed.
    """

    def give(parser: argparse.ArgumentParser, *arguments: Any, **options: Any) -> None:
        raise _Built(parser)

    main = import_module(COMMANDS[name].module).main
    try:
        with patch.object(argparse.ArgumentParser, "parse_args", give):
            main([])
    except _Built as built:
        return built.parser
    raise TypeError(f"expected {COMMANDS[name].module} to parse its arguments")
