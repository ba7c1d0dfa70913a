"""Prints results on standard output, until its reader goes away."""

from __future__ import annotations

import shutil
import sys

from runtime.infer.records import ENCODING_ERRORS, Writer, open_writer
from runtime.infer.table import TableWriter
from runtime.infer.task import Result, Task
from runtime.program import tell
from runtime.standard_streams import forget_stdout


class Printer:
    """Prints results, until the reader of the output (such as `| head`) ends.

    Args:
        task: tells what is printed of them.
        kind: format in which they are printed.
        may_end: whether the results are written elsewhere too, so that the run goes on when
            nothing more can be printed.
        is_safe: as `CsvWriter`.
    """

    def __init__(self, task: Task, kind: str, may_end: bool, is_safe: bool = False) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            # Characters that the terminal cannot show are printed as escapes, not raised.
            errors = "backslashreplace" if sys.stdout.isatty() else ENCODING_ERRORS.get(kind)
            sys.stdout.reconfigure(errors=errors or "backslashreplace")
        if kind == "table":
            columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            self._writer: Writer = TableWriter(task, sys.stdout, columns)
        else:
            self._writer = open_writer(task, kind, sys.stdout, False, is_safe)
        self._may_end = may_end

    def write(self, result: Result) -> None:
        """Print a result."""
        try:
            self._writer.write(result)
        except OSError as error:
            self._end(error)

    def close(self) -> None:
        """Print the results that are still held."""
        try:
            self._writer.close()
        except OSError as error:
            self._end(error)

    def _end(self, error: OSError) -> None:
        """Print nothing more after an error, or raise it if the results go nowhere else."""
        if not self._may_end:
            raise error
        forget_stdout()
        if not isinstance(error, BrokenPipeError):
            tell("infer", f"nothing more is printed: {error.strerror}; --output is written on")
