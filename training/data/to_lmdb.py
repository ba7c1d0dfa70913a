"""Packs labelled lines into an LMDB as PaddleOCR's `LMDBDataSet` reads it.

    python -m training.data.to_lmdb mine/train.txt --output mine/train_lmdb

Lines whose image cannot be read are left out and named. Exit status: 0 all are in it, 1 some are
not, 2 nothing was written.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from runtime.errors import DatasetError
from runtime.program import show, tell
from training.data.labels.command import (
    DONE,
    FOUND,
    LabelledFile,
    parser_of,
    read_files,
    refuse_existing,
    run,
)

_AT_A_TIME = 1000
_MOST_BYTES = 1 << 40
"""Of the map, which takes no room by itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = parser_of("to_lmdb", __doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    return run("to_lmdb", parser, _pack, arguments)


def _pack(options: argparse.Namespace) -> int:
    files = read_files(options)
    refuse_existing(options.output, is_allowed=False)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.output.parent, prefix=".to_lmdb_") as folder:
        unread: list[str] = []
        count = write_lmdb(Path(folder) / "whole", images_of(files, unread))
        if not count:
            raise DatasetError(f"no image can be read, e.g. {unread[0]}; check --data-dir")
        if options.output.is_dir():
            options.output.rmdir()
        (Path(folder) / "whole").rename(options.output)
    values = {"lmdb": options.output, "lines": count, "left_out": unread}
    show(options, f"{options.output}: {count} lines", values)
    for reason in unread[:5]:
        tell("to_lmdb", f"left out: {reason}")
    if unread:
        tell("to_lmdb", f"{len(unread)} lines are left out")
    return FOUND if unread else DONE


def images_of(files: Sequence[LabelledFile], unread: list[str]) -> Iterator[tuple[bytes, str]]:
    """Yield the bytes of each image and its text; add why one cannot be read to `unread`."""
    rows = [(labelled, row) for labelled in files for row in labelled.rows]
    for labelled, row in tqdm(rows, "packing", leave=False, delay=2):
        path = labelled.path(row)
        try:
            content = path.read_bytes()
        except (OSError, ValueError) as error:
            unread.append(f"{path}: {getattr(error, 'strerror', None) or error}")
            continue
        if content:
            yield content, row.text
        else:
            unread.append(f"{path}: the file is empty")


def write_lmdb(folder: Path, lines: Iterator[tuple[bytes, str]]) -> int:
    """Write a database with PaddleOCR's keys; return the number of lines.

    Raises:
        DatasetError: if the package lmdb is missing or the disk refuses.
    """
    try:
        import lmdb
    except ImportError as error:
        raise DatasetError(
            "LMDB is written by the package lmdb, which is not installed: pip install "
            "'distilrec[train]'"
        ) from error
    count = 0
    try:
        with lmdb.open(str(folder), map_size=_MOST_BYTES) as environment:
            batch: list[tuple[bytes, bytes]] = []
            for content, text in lines:
                count += 1
                batch.append((f"image-{count:09d}".encode(), content))
                batch.append((f"label-{count:09d}".encode(), text.encode(errors="replace")))
                if len(batch) >= 2 * _AT_A_TIME:
                    _put(environment, batch)
            _put(environment, [*batch, (b"num-samples", str(count).encode())])
    except lmdb.Error as error:
        raise DatasetError(f"cannot write {folder.parent}: {error}; make room") from error
    return count


def _put(environment: object, batch: list[tuple[bytes, bytes]]) -> None:
    with environment.begin(write=True) as transaction:  # type: ignore[attr-defined]
        for key, value in batch:
            transaction.put(key, value)
    batch.clear()


if __name__ == "__main__":
    sys.exit(main())
