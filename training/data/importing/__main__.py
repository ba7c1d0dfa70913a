"""Brings labels of other programs to a label file, lines cut out of their pages.

    python -m training.data.importing gt/ --from icdar --images pictures/ --output mine

`mine/labels.txt` and `mine/images/` are what `SimpleDataSet` reads; with `--pages` it is a label
file of pages, for a detector. Exit status: 0 everything was taken, 1 some pages were not, 2 nothing
was written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from runtime.errors import DatasetError
from runtime.program import add_json, program_name, show
from training.data.importing.coco_text import CocoText
from training.data.importing.cutting import Pictures, write_lines, write_pages
from training.data.importing.hocr import Hocr
from training.data.importing.icdar import Icdar
from training.data.importing.page import Format, ImportedPage
from training.data.importing.ppocrlabel import PPOCRLabel
from training.data.importing.xml_pages import Alto, PageXml
from training.data.labels.command import DONE, FOUND, refuse_existing, run

FORMATS: Mapping[str, Format] = {
    "ppocrlabel": PPOCRLabel(),
    "icdar": Icdar(),
    "alto": Alto(),
    "page": PageXml(),
    "hocr": Hocr(),
    "coco-text": CocoText(),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog=program_name("training.data.importing"), description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("sources", nargs="+", type=Path, metavar="SOURCE", help="files, or folders of them")
    add("--from", dest="kind", required=True, choices=sorted(FORMATS), help="what wrote them")
    add_output(parser)
    return run("importing", parser, take, arguments)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name pictures and output."""
    add_json(parser)
    add = parser.add_argument
    add("--images", type=Path, metavar="FOLDER", help="of the pictures; default: the source's own")
    add("--output", type=Path, required=True, metavar="FOLDER")
    add("--pages", action="store_true", help="write labels of pages, for a detector")
    add("--force", action="store_true", help="write into a folder that holds something")


def take(options: argparse.Namespace) -> int:
    """Read, cut and write; return the exit status.

    Raises:
        DatasetError: if a file is not of the format, or nothing can be written.
    """
    kind = FORMATS[options.kind]
    files = list(_files(options.sources, kind))
    refuse_existing(options.output, options.force)
    folder = options.images
    if folder is None:
        first = options.sources[0]
        folder = first if first.is_dir() else first.parent
    write = write_pages if options.pages else write_lines
    outcome = write(_pages(files, kind), Pictures(folder), options.output)
    labels = options.output / "labels.txt"
    values = {"labels": labels, **asdict(outcome)}
    show(options, "\n".join([*outcome.lines(), str(labels)]), values)
    return FOUND if outcome.failed else DONE


def _pages(files: Sequence[Path], kind: Format) -> Iterator[ImportedPage]:
    for file in files:
        yield from kind.read(file)


def _files(sources: Sequence[Path], kind: Format) -> Iterator[Path]:
    """Yield the files that are named, and those of the format's suffixes in folders, sorted."""
    found = 0
    for source in sources:
        inside = (
            sorted(path for path in source.rglob("*") if path.suffix.lower() in kind.suffixes)
            if source.is_dir()
            else [source]
        )
        found += len(inside)
        yield from inside
    if not found:
        raise DatasetError(
            f"no files: expected {' or '.join(kind.suffixes)} in {', '.join(map(str, sources))}, "
            "got none; name the files, or another --from"
        )


if __name__ == "__main__":
    sys.exit(main())
