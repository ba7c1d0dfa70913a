"""`python -m export doctor`."""

from __future__ import annotations

import argparse

from runtime.errors import EngineError

HELP = "what is installed, what each step needs, and how to mend it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command takes no arguments."""


def run(options: argparse.Namespace) -> str:
    """Examine this machine.

    Returns:
        the report.

    Raises:
        EngineError: the report, if a checkpoint cannot be brought to text here.
    """
    from export.doctor import examine

    report, is_open = examine()
    if not is_open:
        raise EngineError(report)
    return report
