"""The options of reading pages; nothing heavy is imported to parse them."""

from __future__ import annotations

import argparse
import os

from runtime.detection.model.default import default_detector
from runtime.errors import ArtifactError
from runtime.infer.records import format_named

WAYS = ("auto", "text", "render")
PRINTED = ("paddleocr", "hocr", "alto")
"""What pages may be printed as, besides what lines are."""

DOCUMENTS = ("pdf", "hocr", "alto", "txt", "jsonl", "paddleocr")
"""What a file for each file of pages may hold."""

WHOLE = ("pdf", "hocr", "alto")
"""What a file is that is written whole, and is not continued."""

SUFFIXES = {".pdf": "pdf", ".hocr": "hocr", ".html": "hocr", ".xml": "alto"}
"""What names of files that are written whole end in, and what these hold."""

_LEAST_DPI, _MOST_DPI = 36, 1200
_OF_LINES = {
    "compat": "--compat",
    "labels": "--labels",
    "alternatives": "--alternatives",
}
_OF_PAGES = {
    "pdf": "--pdf",
    "pdf_dpi": "--pdf-dpi",
    "min_confidence": "--min-confidence",
    "output_dir": "--output-dir",
    "output_formats": "--output-formats",
}


def add_options(group: argparse._ArgumentGroup) -> None:
    """Add the options to a parser, all of them None where they are not given."""
    group.add_argument(
        "--pages",
        dest="task",
        action="store_const",
        const="pages",
        default="rec",
        help="find the lines of pages with --detector, read them with --model, and put them in "
        "the order of reading; PDF files too",
    )
    group.add_argument(
        "--pdf",
        choices=WAYS,
        help="text: only what stands in the file as text; render: read the picture of every page; "
        "auto, the default: the picture where the file has no text for the page",
    )
    group.add_argument(
        "--pdf-dpi",
        type=_dpi,
        metavar="N",
        help="px per inch of the pictures of PDF pages; default: a scan's own, else 300",
    )
    group.add_argument(
        "--min-confidence",
        type=_share,
        metavar="X",
        help="leave out lines of a lower confidence; default: all are kept, unsure ones marked",
    )
    group.add_argument(
        "--output-dir",
        metavar="DIR",
        help="write files of their own for each file of pages there, as --output-formats says",
    )
    group.add_argument(
        "--output-formats",
        type=_kinds,
        metavar="LIST",
        help=f"one or more of {', '.join(DOCUMENTS)}, with commas; default: pdf, searchable",
    )


def kind_of(path: str) -> str | None:
    """Return what a file of this name holds, None for one that lines are written to as well."""
    return SUFFIXES.get(os.path.splitext(path)[1].lower())


def check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuse options that have no effect, find the detector, and say what is written whole.

    `document` is set to the file that is written whole, in the place of `output`, and
    `document_kind` to what it is.
    """
    arguments.document = arguments.document_kind = None
    if arguments.task != "pages":
        _check_others(parser, arguments)
        return
    for name, option in _OF_LINES.items():
        if getattr(arguments, name):
            parser.error(f"{option} is about lines: expected it without --pages")
    if arguments.output_formats is not None and arguments.output_dir is None:
        parser.error("--output-formats is about files of their own: expected --output-dir too")
    if arguments.output_dir is not None:
        arguments.output_formats = arguments.output_formats or ["pdf"]
    try:
        arguments.detector = arguments.detector or str(default_detector())
    except ArtifactError as error:
        parser.error(str(error))
    if arguments.output is not None:
        kind = arguments.output_format or kind_of(arguments.output)
        if kind in WHOLE:
            arguments.document, arguments.document_kind = arguments.output, kind
            arguments.output = None
    is_whole = arguments.document is not None or arguments.output_dir is not None
    if arguments.resume and is_whole:
        parser.error(
            "--resume adds to records: expected it without --output-dir and with an --output of "
            "JSON lines, .csv or .parquet"
        )


def _check_others(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuse what only pages have."""
    for name, option in _OF_PAGES.items():
        if getattr(arguments, name) is not None:
            parser.error(f"{option} is about pages: expected --pages too")
    for name, option in {"format": "--format", "output_format": "--output-format"}.items():
        if getattr(arguments, name) in (*PRINTED, *WHOLE):
            parser.error(f"{option} {getattr(arguments, name)} holds pages: expected --pages too")


def _kinds(text: str) -> list[str]:
    kinds = [format_named(kind) for kind in text.split(",") if kind]
    wrong = [kind for kind in kinds if kind not in DOCUMENTS]
    if wrong or not kinds:
        raise argparse.ArgumentTypeError(
            f"expected one or more of {', '.join(DOCUMENTS)}, with commas, got {text!r}"
        )
    return list(dict.fromkeys(kinds))


def _dpi(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not _LEAST_DPI <= number <= _MOST_DPI:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from {_LEAST_DPI} to {_MOST_DPI}, got {text!r}"
        )
    return number


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got {text!r}")
    return number
