"""Command: `python -m training.data.synthetic [--pages] --output DIR --count N`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import cv2

from runtime.errors import DatasetError
from runtime.program import add_json, program_name, show
from runtime.recognition.charset import build_charset
from runtime.signals import exit_status
from runtime.standard_streams import open_standard_streams
from training.data.synthetic.dataset import DEFAULT_ALPHABET, SyntheticDataSet
from training.data.synthetic.pages import SyntheticPages
from training.data.synthetic.pages.kinds import KINDS
from training.data.synthetic.pages.preview import page_sheet
from training.data.synthetic.preview import contact_sheet
from training.data.synthetic.writer import write_data_set

PREVIEW_LINES = 40
PREVIEW_PAGES = 12
OF_LINES = ("dictionary", "alphabet", "use_space_char", "word_list", "min_length", "max_length")
OF_PAGES = ("kinds", "long_side")


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"synthetic: {message} (see --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, or after one line that says what is wrong 2, 130 after Ctrl-C, 143 after
        SIGTERM.
    """
    open_standard_streams()
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return exit_status("synthetic", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program_name("training.data.synthetic"),
        description="Draw text lines, or pages, and write them as a PaddleOCR label-file data set.",
    )
    add_json(parser)
    add = parser.add_argument
    add("--pages", action="store_true", help="draw pages with the boxes of their texts")
    add("--output", metavar="DIR", help="folder to write to: new or empty")
    add("--count", type=int, default=1000, help="number of lines or pages (default %(default)s)")
    add("--seed", type=int, default=0, help="same seed, same set (default %(default)s)")
    alphabet = parser.add_mutually_exclusive_group()
    alphabet.add_argument("--dictionary", metavar="FILE", help="one character per line")
    alphabet.add_argument(
        "--alphabet", metavar="STRING", help="the characters (default: ASCII and ÄÖÜäöüß€)"
    )
    add("--use-space-char", action="store_true", help="lines may have several words")
    add("--word-list", metavar="FILE", help="draw these words, one per line, and nothing else")
    add(
        "--fonts",
        nargs="+",
        metavar="FILE",
        help="font files, for pages folders of them too (default: those of the machine)",
    )
    add("--min-length", type=int, default=1, help="in characters (default %(default)s)")
    add("--max-length", type=int, default=25, help="in characters (default %(default)s)")
    add("--kinds", nargs="+", metavar="KIND", help=f"pages: of {', '.join(KINDS)} (default: all)")
    add("--long-side", type=int, default=1280, help="pages: px at most (default %(default)s)")
    add("--difficulty", type=float, default=0.5, help="0 clean .. 1 hard (default %(default)s)")
    add("--val-fraction", type=float, default=0.0, help="share for val.txt (default 0)")
    add("--preview", metavar="PNG", help="picture of the first few, to look at")
    add("--workers", type=int, default=_default_workers(), help="processes (default %(default)s)")
    add("--force", action="store_true", help="replace the files of an earlier run")
    return parser


def _default_workers() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run(options: argparse.Namespace) -> int:
    if options.output is None and options.preview is None:
        raise DatasetError("nothing to do: expected --output DIR, --preview PNG or both")
    _refuse_without_effect(options)
    data_set = _pages(options) if options.pages else _lines(options)
    unit = "pages" if options.pages else "lines"
    if options.preview is not None:
        _write_preview(data_set, Path(options.preview))
    if options.output is not None:
        written = write_data_set(
            data_set,
            options.output,
            val_fraction=options.val_fraction,
            num_workers=options.workers,
            force=options.force,
            unit=unit,
        )
        counts = {written.train_file: written.num_train}
        if written.val_file is not None:
            counts[written.val_file] = written.num_val
        text = "\n".join(f"{file}: {count} {unit}" for file, count in counts.items())
        show(options, text, {str(file): count for file, count in counts.items()})
    return 0


def _refuse_without_effect(options: argparse.Namespace) -> None:
    parser = _parser()
    for name in OF_LINES if options.pages else OF_PAGES:
        if getattr(options, name) != parser.get_default(name):
            what = "lines, not of pages" if options.pages else "pages: give --pages too"
            raise DatasetError(f"--{name.replace('_', '-')} is an option of {what}")


def _pages(options: argparse.Namespace) -> SyntheticPages:
    return SyntheticPages(
        count=options.count,
        seed=options.seed,
        kinds=options.kinds,
        long_side=options.long_side,
        fonts=options.fonts,
        difficulty=options.difficulty,
    )


def _lines(options: argparse.Namespace) -> SyntheticDataSet:
    if options.dictionary is not None:
        dictionary = options.dictionary
    else:
        dictionary = DEFAULT_ALPHABET if options.alphabet is None else list(options.alphabet)
    return SyntheticDataSet(
        build_charset(dictionary, options.use_space_char).characters,
        count=options.count,
        seed=options.seed,
        max_text_length=options.max_length,
        min_text_length=options.min_length,
        word_list=options.word_list,
        fonts=options.fonts,
        difficulty=options.difficulty,
    )


def _write_preview(data_set: SyntheticDataSet | SyntheticPages, path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise DatasetError(f"the preview is a PNG file: expected a name in .png, got {path.name!r}")
    if isinstance(data_set, SyntheticPages):
        count = min(PREVIEW_PAGES, len(data_set))
        sheet = page_sheet([data_set.page(index) for index in range(count)])
    else:
        count = min(PREVIEW_LINES, len(data_set))
        sheet = contact_sheet([data_set.line(index) for index in range(count)], data_set.fonts)
    _, encoded = cv2.imencode(".png", sheet)
    try:
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise DatasetError(f"cannot write the preview {path}: {error.strerror}") from error
    print(f"{path}: {count} to look at")


if __name__ == "__main__":
    sys.exit(main())
