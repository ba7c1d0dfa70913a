"""Where the results of one run go: to the terminal, into files, against the true texts."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from contextlib import ExitStack

from runtime.errors import OcrError
from runtime.images import ImageSource
from runtime.labels import Labels
from runtime.output import TableWriter
from runtime.parquet_folder import ParquetFolder, is_parquet_folder, read_back_folder
from runtime.recognition import Recognition
from runtime.records import (
    ENCODING_ERRORS,
    RESUMABLE,
    Done,
    Writer,
    format_of,
    open_writer,
    read_back,
)
from runtime.result_file import ResultFile


class Printer:
    """Prints results, until whoever reads them (`| head`) has had enough.

    Args:
        kind: format in which they are printed.
        may_end: whether the results are wanted elsewhere too, so that reading goes on then.
        alternatives: how many each result brings along.
    """

    def __init__(self, kind: str, may_end: bool, alternatives: int = 0) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            # A terminal that cannot show a character gets its number, not a traceback of ours.
            errors = "backslashreplace" if sys.stdout.isatty() else ENCODING_ERRORS.get(kind)
            sys.stdout.reconfigure(errors=errors or "backslashreplace")
        if kind == "table":
            columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            self._writer: Writer = TableWriter(sys.stdout, columns)
        else:
            self._writer = open_writer(kind, sys.stdout, alternatives=alternatives)
        self._may_end = may_end

    def write(self, recognition: Recognition) -> None:
        """Print one result."""
        try:
            self._writer.write(recognition)
        except BrokenPipeError:
            self._end()

    def close(self) -> None:
        """Print what is still held."""
        try:
            self._writer.close()
        except BrokenPipeError:
            self._end()

    def _end(self) -> None:
        if not self._may_end:
            raise
        forget_stdout()


class Results:
    """Passes each result on to all who want it, and counts.

    Args:
        arguments: the command line.
        stack: where files are entered, which closes them.

    Raises:
        OcrError: if the results cannot be continued, compared or written as asked.
    """

    def __init__(self, arguments: Namespace, stack: ExitStack) -> None:
        self._labels = Labels(arguments.labels) if arguments.labels is not None else None
        self._draw = None
        self._writers: list[Writer] = []
        self._is_quiet = arguments.quiet
        self.num_images = self.num_failed = 0
        self.done = Done()
        kinds = []
        if arguments.output is not None:
            kinds.append(self._open_output(arguments, stack))
        if not arguments.quiet:
            kinds.append(arguments.format)
            may_end = arguments.output is not None
            self._writers.append(Printer(arguments.format, may_end, arguments.alternatives))
        self._has_reasons = any(kind != "txt" for kind in kinds)
        if arguments.visualize is not None:
            from runtime.visualize import Visualizer

            self._draw = Visualizer(arguments.visualize, arguments.max_pixels).draw

    def take(self, source: ImageSource, recognition: Recognition) -> None:
        """Pass on the result of one source."""
        self.num_images += 1
        self.num_failed += recognition.error is not None
        if recognition.error is not None and not self._has_reasons:
            print(f"infer: {recognition.source}: {recognition.error}", file=sys.stderr)
        if self._labels is not None:
            self._labels.compare(recognition.source, recognition.text)
        for writer in self._writers:
            writer.write(recognition)
        if self._draw is not None:
            self._draw(source, recognition)

    def close(self) -> None:
        """Write what is still held."""
        for writer in self._writers:
            writer.close()

    def summary(self, seconds: float, num_skipped: int) -> str:
        """How many were read, how fast, and how well."""
        num_read = self.num_images - self.num_failed
        skipped = f", {num_skipped} skipped as read before" if num_skipped else ""
        summary = (
            f"read {num_read} of {self.num_images} images, {self.num_failed} failed{skipped}, in "
            f"{seconds:.1f} s: {num_read / max(seconds, 1e-9):.1f} lines/s"
        )
        return summary if self._labels is None else f"{summary}\n{self._labels.summary()}"

    def _open_output(self, arguments: Namespace, stack: ExitStack) -> str:
        if is_parquet_folder(arguments.output):
            if arguments.resume:
                self.done = read_back_folder(arguments.output)
            folder = ParquetFolder(arguments.output, may_continue=arguments.resume)
            stack.callback(folder.close)  # however the run ends, what was read is kept
            self._writers.append(folder)
            return "parquet"
        kind = format_of(arguments.output, otherwise="jsonl")
        continue_after = None
        if arguments.resume:
            if kind not in RESUMABLE:
                raise OcrError(
                    f"cannot go on with {arguments.output}: expected JSON lines, .csv or "
                    ".parquet; name another --output, or leave out --resume"
                )
            self.done = read_back(arguments.output, kind, arguments.alternatives)
            continue_after = self.done.num_bytes
        file = ResultFile(arguments.output, ENCODING_ERRORS[kind], continue_after)
        is_begun = bool(continue_after)
        stream = stack.enter_context(file)
        self._writers.append(open_writer(kind, stream, is_begun, arguments.alternatives))
        return kind


def forget_stdout() -> None:
    """Let what is still to be written to stdout go nowhere, instead of failing loudly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
