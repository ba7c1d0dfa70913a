"""Read line images from the command line: `python -m runtime.infer images/ --model student.onnx`.

Exit status: 0 all images were read; 1 some could not be; 2 nothing could be done, for the reason
given in one line; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NoReturn

import cv2

from runtime.errors import OcrError
from runtime.images import find_images
from runtime.labels import Labels
from runtime.output import TableWriter, written_atomically
from runtime.recognizer import DEFAULT_BATCH_SIZE, Recognizer
from runtime.records import JsonLinesWriter
from runtime.sessions import DEVICES

ALL_READ, SOME_FAILED, UNUSABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage in front of it."""
        self.exit(UNUSABLE, f"infer: {message} (--help shows all options)\n")


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return number


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text!r}")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Parser of the command line."""
    parser = _Parser(
        prog="python -m runtime.infer",
        description="Read line images with a trained recogniser.",
        epilog="Exit status: 0 all read, 1 some images failed, 2 nothing could be done.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="image files, folders (searched through), and patterns such as 'scans/**/*.png'",
    )
    parser.add_argument(
        "--model", metavar="FILE", help="the recogniser, an .onnx or .plan file (needed)"
    )
    parser.add_argument(
        "--dictionary",
        metavar="FILE",
        help="characters, one a line, for a model that does not carry its own",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    parser.add_argument(
        "--device-id", type=_number, default=0, metavar="N", help="of the GPU; default: %(default)s"
    )
    parser.add_argument(
        "--batch-size",
        type=_positive,
        default=DEFAULT_BATCH_SIZE,
        metavar="N",
        help="most lines at a time; default: %(default)s",
    )
    parser.add_argument(
        "--threads",
        type=_positive,
        metavar="N",
        help="CPU threads; default: as many as this process may use",
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="path<TAB>text of each image: say how many are exact"
    )
    parser.add_argument("--output", metavar="FILE", help="write JSON lines, one per image")
    parser.add_argument(
        "--format", choices=("table", "jsonl"), default="table", help="of what is printed"
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print neither results nor summary, only errors"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process when None.

    Returns:
        the exit status.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.model is None:
        parser.error("no model was given: expected --model FILE.onnx or FILE.plan")
    level = logging.WARNING if arguments.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr)
    # What is wrong with an image stands in its row; OpenCV need not say it again.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return _infer(arguments)
    except OcrError as error:
        print(f"infer: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("infer: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return PIPE_CLOSED
    except OSError as error:
        print(f"infer: cannot write the results: {error.strerror}", file=sys.stderr)
        return UNUSABLE


def _infer(arguments: argparse.Namespace) -> int:
    labels = Labels(arguments.labels) if arguments.labels is not None else None
    with ExitStack() as stack:
        recognizer = stack.enter_context(
            Recognizer(
                arguments.model,
                dictionary=arguments.dictionary,
                device=arguments.device,
                device_id=arguments.device_id,
                batch_size=arguments.batch_size,
                threads=arguments.threads,
            )
        )
        writers: list[TableWriter | JsonLinesWriter] = []
        if arguments.output is not None:
            writers.append(
                JsonLinesWriter(stack.enter_context(written_atomically(arguments.output)))
            )
        if not arguments.quiet:
            writers.append(_printer(arguments.format))
        read = failed = 0
        start = time.perf_counter()
        for recognition in recognizer.stream(find_images(arguments.paths)):
            read += recognition.error is None
            failed += recognition.error is not None
            if labels is not None:
                labels.compare(recognition.source, recognition.text)
            for writer in writers:
                with _closed_pipe_forgiven(arguments):
                    writer.write(recognition)
        seconds = time.perf_counter() - start
        for writer in writers:
            with _closed_pipe_forgiven(arguments):
                writer.close()
    if not arguments.quiet:
        print(
            f"read {read} of {read + failed} images, {failed} failed, in {seconds:.1f} s: "
            f"{read / max(seconds, 1e-9):.1f} lines/s",
            file=sys.stderr,
        )
        if labels is not None:
            print(labels.summary(), file=sys.stderr)
    return SOME_FAILED if failed else ALL_READ


def _printer(kind: str) -> TableWriter | JsonLinesWriter:
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal that cannot show a character gets its number, not a traceback of ours.
        sys.stdout.reconfigure(errors="backslashreplace")
    if kind == "jsonl":
        return JsonLinesWriter(sys.stdout)
    is_terminal = sys.stdout.isatty()
    return TableWriter(sys.stdout, shutil.get_terminal_size().columns if is_terminal else None)


@contextmanager
def _closed_pipe_forgiven(arguments: argparse.Namespace) -> Iterator[None]:
    """Whoever reads stdout (`| head`) may stop early; the --output file is still wanted whole."""
    try:
        yield
    except BrokenPipeError:
        if arguments.output is None:
            raise
        _forget_stdout()


def _forget_stdout() -> None:
    """Let what is still to be written to stdout go nowhere, instead of failing loudly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
