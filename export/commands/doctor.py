"""`python -m export doctor`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from runtime.errors import EngineError
from runtime.program import add_json

HELP = "what is installed, what each step needs, and how to mend it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the form of the report."""
    add_json(parser)


def run(options: argparse.Namespace) -> str:
    """Examine this machine.

    Returns:
        the report.

    Raises:
        EngineError: the report, if a checkpoint cannot be brought to text here.
    """
    from export.doctor import examine, look

    if options.json:
        facts = look()
        report = json.dumps(facts, ensure_ascii=False, default=asdict)
        is_open = facts["is_open"]
    else:
        report, is_open = examine()
    if not is_open and options.json:
        print(report)
        raise EngineError("what the road from a checkpoint to text needs is not all here")
    if not is_open:
        raise EngineError(report)
    return report
