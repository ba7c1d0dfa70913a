"""Lists the characters of labels as a dictionary: one a line, the space left to `use_space_char`.

    python -m training.data.dictionary mine/train.txt --output mine/dict.txt [--add DICTIONARY]

With `--add` the characters of another dictionary come first, in its order, so that a network that
was trained with it keeps them.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import DatasetError
from runtime.files import write_atomically
from runtime.program import show
from runtime.recognition.charset import SPACE, read_dictionary
from training.data.labels.command import DONE, parser_of, read_files, refuse_existing, run

_SHOWN = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = parser_of("dictionary", __doc__)
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="FILE")
    add("--add", metavar="DICTIONARY", help="whose characters come first")
    add("--least", type=int, default=1, help="times that a character is there; default: 1")
    add("--force", action="store_true", help="write over a file of this name")
    return run("dictionary", parser, _list, arguments)


def _list(options: argparse.Namespace) -> int:
    files = read_files(options)
    refuse_existing(options.output, options.force)
    counts = Counter(
        character for labelled in files for row in labelled.rows for character in row.text
    )
    listed = [] if options.add is None else read_dictionary(options.add)
    known = {*listed, SPACE}
    odd = sorted(entry for entry in counts if not entry.isprintable() and entry != SPACE)
    new = sorted(
        entry
        for entry, count in counts.items()
        if count >= options.least and entry not in known and entry not in odd
    )
    if not listed and not new:
        raise DatasetError("no characters: expected labels with some, got none; check the files")
    write_atomically(options.output, "".join(f"{entry}\n" for entry in [*listed, *new]).encode())
    text = [f"{options.output}: {len(listed) + len(new)} characters, {len(new)} of them new"]
    codes = [f"U+{ord(entry):04X}" for entry in odd]
    if new and listed:
        text.append(f"  new: {' '.join(new[:_SHOWN])}")
    if odd:
        text.append(f"  left out, as nobody sees them: {' '.join(codes)}")
    if counts[SPACE]:
        text.append("  labels hold spaces: set Global.use_space_char to true")
    values = {
        "dictionary": options.output,
        "characters": len(listed) + len(new),
        "new": new,
        "left_out": codes,
        "has_spaces": bool(counts[SPACE]),
    }
    show(options, "\n".join(text), values)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
