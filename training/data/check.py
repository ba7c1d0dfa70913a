"""Looks at labelled lines without training: what cannot be used, what is odd, which characters.

    python -m training.data.check mine/train.txt mine/val.txt [--dictionary FILE]

Exit status: 0 every line can be used, 1 some cannot, 2 nothing could be looked at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from runtime.program import show
from runtime.recognition.charset import build_charset
from training.data.labels.checking import report_on
from training.data.labels.command import DONE, FOUND, parser_of, read_files, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = parser_of("check", __doc__)
    parser.add_argument("--dictionary", help="find lines with characters outside it")
    return run("check", parser, _check, arguments)


def _check(options: argparse.Namespace) -> int:
    known = None
    if options.dictionary is not None:
        known = build_charset(options.dictionary, use_space_char=True).characters
    report = report_on(read_files(options), known)
    show(options, "\n".join(report.lines()), report.as_json())
    return FOUND if report.num_faulty else DONE


if __name__ == "__main__":
    sys.exit(main())
