"""Cuts the lines out of pages with PaddleOCR's labels, to train a recogniser on.

    python -m training.data.from_pages mine/pages.txt --output mine/lines

The same as `python -m training.data.importing --from ppocrlabel`, which takes other formats too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.program import program_name
from training.data.importing.__main__ import add_output, take
from training.data.labels.command import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog=program_name("training.data.from_pages"), description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("sources", nargs="+", type=Path, metavar="LABEL_FILE")
    parser.set_defaults(kind="ppocrlabel")
    add_output(parser)
    return run("from_pages", parser, take, arguments)


if __name__ == "__main__":
    sys.exit(main())
