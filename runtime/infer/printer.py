"""Results on standard output, for as long as somebody takes them."""

from __future__ import annotations

import shutil
import sys

from runtime.infer.records import ENCODING_ERRORS, Writer, open_writer
from runtime.infer.table import TableWriter
from runtime.recognition.result import Recognition
from runtime.standard_streams import forget_stdout, say


class Printer:
    """Prints results, until whoever reads them (`| head`) has had enough.

    Args:
        kind: format in which they are printed.
        may_end: whether the results are wanted elsewhere too, so that reading goes on where
            nothing can be printed.
        alternatives: how many each result brings along.
        is_safe: as `CsvWriter`.
    """

    def __init__(
        self, kind: str, may_end: bool, alternatives: int = 0, is_safe: bool = False
    ) -> None:
        if hasattr(sys.stdout, "reconfigure"):
            # A terminal that cannot show a character gets its number, not a traceback of ours.
            errors = "backslashreplace" if sys.stdout.isatty() else ENCODING_ERRORS.get(kind)
            sys.stdout.reconfigure(errors=errors or "backslashreplace")
        if kind == "table":
            columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            self._writer: Writer = TableWriter(sys.stdout, columns)
        else:
            self._writer = open_writer(kind, sys.stdout, False, alternatives, is_safe)
        self._may_end = may_end

    def write(self, recognition: Recognition) -> None:
        """Print one result."""
        try:
            self._writer.write(recognition)
        except OSError as error:
            self._end(error)

    def close(self) -> None:
        """Print what is still held."""
        try:
            self._writer.close()
        except OSError as error:
            self._end(error)

    def _end(self, error: OSError) -> None:
        if not self._may_end:
            raise error
        forget_stdout()
        if not isinstance(error, BrokenPipeError):
            say(f"infer: nothing more is printed: {error.strerror}; --output is written on")
