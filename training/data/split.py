"""Splits labelled lines into some to train on and some to validate on.

    python -m training.data.split mine/labels.txt --output mine [--val 0.1] [--group '(.*)_line']

Lines of the same image, or of the same group, stay together: a page's lines are alike, and half a
page to validate on would flatter. What goes where follows from names and seed alone, so that lines
that come later change no others.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import DatasetError
from runtime.files import write_atomically
from runtime.program import show
from runtime.recognition.labels import LabelRow
from training.data.labels.command import (
    DONE,
    LabelledFile,
    parser_of,
    read_files,
    refuse_existing,
    run,
)

_TRAIN, _VAL = "train.txt", "val.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = parser_of("split", __doc__)
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="FOLDER", help="train.txt and val.txt")
    add("--val", type=float, default=0.1, help="share to validate on; default: %(default)s")
    add("--group", metavar="PATTERN", help="a regular expression of the name: what its first "
        "bracket, or all of it, finds tells lines that stay together")  # fmt: skip
    add("--seed", type=int, default=1)
    add("--force", action="store_true", help="write over files of these names")
    return run("split", parser, _split, arguments)


def _split(options: argparse.Namespace) -> int:
    if not 0 < options.val < 1:
        raise DatasetError(f"--val: expected a share between 0 and 1, got {options.val:g}")
    pattern = _pattern(options.group)
    files = read_files(options)
    for name in (_TRAIN, _VAL):
        refuse_existing(options.output / name, options.force)
    parts: dict[str, list[str]] = {_TRAIN: [], _VAL: []}
    groups: dict[str, set[str]] = {_TRAIN: set(), _VAL: set()}
    for labelled in files:
        for row in labelled.rows:
            group = group_of(row, pattern)
            part = _VAL if share_of(group, options.seed) < options.val else _TRAIN
            parts[part].append(_line(labelled, row, options.output))
            groups[part].add(group)
    for name, lines in parts.items():
        if not lines:
            raise DatasetError(
                f"{name} would be empty: expected lines of several images, got "
                f"{sum(map(len, groups.values()))} groups; change --val, --seed or --group"
            )
    options.output.mkdir(parents=True, exist_ok=True)
    for name, lines in parts.items():
        write_atomically(options.output / name, "".join(lines).encode())
    show(
        options,
        "\n".join(
            f"{options.output / name}: {len(lines)} lines of {len(groups[name])} groups"
            for name, lines in parts.items()
        ),
        {
            str(options.output / name): {"lines": len(lines), "groups": len(groups[name])}
            for name, lines in parts.items()
        },
    )
    return DONE


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise DatasetError(f"--group: no regular expression: {error}") from error


def group_of(row: LabelRow, pattern: re.Pattern[str] | None) -> str:
    """Return what tells the lines that stay together: the name, or what a pattern finds in it."""
    name = row.names[0]
    found = None if pattern is None else pattern.search(name)
    if found is None:
        return name
    return found[1] if found.re.groups and found[1] is not None else found[0]


def share_of(group: str, seed: int) -> float:
    """Return a number 0 .. 1 that follows from a group and the seed alone."""
    digest = hashlib.sha256(f"{seed}\n{group}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _line(labelled: LabelledFile, row: LabelRow, output: Path) -> str:
    """Return a row with a path that is right from the output's folder, if it can be."""
    path = labelled.path(row)
    try:
        name = path.resolve().relative_to(output.resolve()).as_posix()
    except ValueError:
        name = str(path.resolve())
    return f"{name}\t{row.text}\n"


if __name__ == "__main__":
    sys.exit(main())
