"""Passes on the results of a run: to the terminal, into files, to the comparison with labels."""

from __future__ import annotations

import os
import threading
from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from runtime.errors import ArtifactError, OcrError
from runtime.images.pdf.source import RENDERING, PdfPage
from runtime.images.read import ImageSource
from runtime.images.sources import LeftOut, Page
from runtime.infer.parquet_folder import (
    ParquetFolder,
    drop_failed_in_folder,
    is_parquet_folder,
    make_folder,
    read_back_folder,
)
from runtime.infer.printer import Printer
from runtime.infer.read_back import RESUMABLE, Done, drop_failed, read_back
from runtime.infer.records import ENCODING_ERRORS, Writer, format_of, open_writer
from runtime.infer.result_file import ResultFile, keep_inputs
from runtime.infer.run_note import RunNote
from runtime.infer.task import Documents, Result, Task
from runtime.lock import OutputLock
from runtime.program import tell


class Results:
    """Passes each result on to all outputs, and counts; a context manager.

    Args:
        task: whose results they are.
        arguments: the command line.

    Raises:
        OcrError: if the results cannot be continued, compared or written as asked.
    """

    def __init__(self, task: Task, arguments: Namespace) -> None:
        self._task = task
        self.labels = task.labels(arguments)
        self._draw: Callable[[ImageSource, Result], None] | None = None
        self._output: Writer | None = None
        self._printer: Printer | None = None
        self._note: RunNote | None = None
        self._documents: Documents | None = None
        # Guards the output; `leave_files` never releases it.
        self._lock = threading.RLock()
        self.num_images = self.num_failed = 0
        self.done = Done()
        self._num_for_another = 0
        self._are_labels = False
        kinds = []
        with ExitStack() as files:
            if arguments.output is not None:
                kinds.append(self._open_output(arguments, files))
                self._are_labels = kinds[0] in task.label_kinds
            if not arguments.quiet:
                kinds.append(arguments.format)
                self._printer = Printer(
                    task, arguments.format, arguments.output is not None, arguments.csv_safe
                )
            if arguments.visualize is not None:
                self._open_drawings(arguments, files)
            self._documents = task.documents(arguments)
            if self._documents is not None:
                self._lock_documents(arguments, files)
                files.callback(self._documents.abandon)
            self._files = files.pop_all()
        self._has_reasons = any(kind not in ("txt", "labels") for kind in kinds)
        if self.labels is not None:
            for name in self.done.names:
                self.labels.pass_over(name)

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the files; their results are kept, however the run ends."""
        with self._lock:
            self._files.__exit__(kind, error, traceback)

    def take(self, source: ImageSource, result: Result) -> None:
        """Pass on the result of a source.

        Raises:
            OcrError: if it cannot be written, or labels would name a page that nothing else opens.
        """
        if self._are_labels:
            _refuse_page(source)
        if self._output is not None:
            with self._lock:
                self._output.write(result)
        if self._note is not None and not self.num_images:
            self._note.write(is_continued=bool(self.done.names))
        self.num_images += 1
        self._num_for_another += self._task.is_for_another(result)
        self.num_failed += result.error is not None
        if result.error is not None and not self._has_reasons:
            tell("infer", f"{result.source}: {result.error}")
        if self.labels is not None:
            self.labels.compare(result.source, self._task.answer(result))
        if self._printer is not None:
            self._printer.write(result)
        if self._draw is not None:
            self._draw(source, result)
        if self._documents is not None:
            self._documents.take(source, result)

    def close(self, is_complete: bool) -> None:
        """Write the results that are still held.

        Args:
            is_complete: whether every image has been read, so that no run resumes from here.
        """
        with self._lock:
            if self._output is not None:
                self._output.close()
            if self._note is not None and is_complete:
                self._note.remove()
        if self._printer is not None:
            self._printer.close()
        if self._documents is not None:
            self._documents.close(is_complete)

    def leave_files(self, seconds: float) -> None:
        """Complete the files from another thread while the run is stuck; it writes nothing more.

        Args:
            seconds: how long to wait for a record that is being written.
        """
        if self._lock.acquire(timeout=seconds):
            interrupted = KeyboardInterrupt()
            if self._output is not None and self.num_images:
                self._files.callback(self._output.close)
            self._files.__exit__(KeyboardInterrupt, interrupted, None)

    def leave_printing(self) -> None:
        """Print the results that are still held from another thread while the run is stuck."""
        if self._printer is not None:
            self._printer.close()

    @property
    def has_failures(self) -> bool:
        """Whether an image, of this run or an earlier one, could not be read."""
        missing = 0 if self._documents is None else self._documents.num_failed
        return bool(self.num_failed or self.done.num_failed or missing)

    def summary(self, seconds: float, num_skipped: int, left_out: LeftOut) -> str:
        """Return the number of images that were read, the speed, and the agreement with labels."""
        num_read = self.num_images - self.num_failed
        skipped = f", {num_skipped} skipped as read before" if num_skipped else ""
        failed = self.done.num_failed
        before = f", {failed} failed before (--retry-failed reads them again)" if failed else ""
        passed = ""
        if left_out.count:
            files = f"{left_out.count} files left out by their names"
            files = "1 file left out by its name" if left_out.count == 1 else files
            passed = f"; {files}, e.g. {left_out.example}"
        others = self._num_for_another
        advice = f"; {self._task.advice(others)}" if others else ""
        written = self._documents.summary() if self._documents is not None and num_read else ""
        summary = (
            f"read {num_read} of {self.num_images} {self._task.counted}, {self.num_failed} "
            f"failed{skipped}{before}, in {seconds:.1f} s: {num_read / max(seconds, 1e-9):.1f} "
            f"{self._task.unit}/s{passed}{advice}{written}"
        )
        return summary if self.labels is None else f"{summary}\n{self.labels.summary()}"

    def _open_output(self, arguments: Namespace, files: ExitStack) -> str:
        """Open and lock what --output names, for this run alone; return its format."""
        output = arguments.output
        is_folder = is_parquet_folder(output)
        kind = "parquet" if is_folder else arguments.output_format or format_of(output)
        if arguments.resume and kind not in ("parquet", *RESUMABLE):
            raise OcrError(
                f"cannot go on with {output}: expected JSON lines, .csv or .parquet; name "
                "another --output, or leave out --resume"
            )
        keep_inputs(output, arguments.paths)
        if is_folder:
            make_folder(output)
        files.enter_context(OutputLock(output))
        self._note = RunNote(output, arguments, self._task.noted, self._task.models)
        # What an earlier run wrote is read back before the file is opened to be continued.
        if arguments.resume:
            self._read_back(arguments, kind)
        if is_folder:
            folder = ParquetFolder(self._task, output, may_continue=arguments.resume)
            files.callback(folder.close)
            self._output = folder
        else:
            continue_after = self.done.num_bytes if arguments.resume else None
            file = ResultFile(output, ENCODING_ERRORS.get(kind, "backslashreplace"), continue_after)
            stream = files.enter_context(file)
            self._output = open_writer(
                self._task, kind, stream, bool(continue_after), arguments.csv_safe
            )
        return kind

    def _read_back(self, arguments: Namespace, kind: str) -> None:
        """Read back the results of earlier runs, without the failed ones if they are retried."""
        task, output = self._task, arguments.output
        if kind == "parquet":
            if arguments.retry_failed:
                drop_failed_in_folder(task, output)
            self.done = read_back_folder(task, output)
        else:
            if arguments.retry_failed:
                drop_failed(task, output, kind)
            self.done = read_back(task, output, kind)
        if self._note is not None and self.done.names:
            self._note.compare()

    def _lock_documents(self, arguments: Namespace, files: ExitStack) -> None:
        """Lock the places where whole files are written."""
        if arguments.document is not None:
            files.enter_context(OutputLock(arguments.document))
        if arguments.output_dir is not None:
            make_folder(arguments.output_dir, "--output-dir")
            files.enter_context(OutputLock(arguments.output_dir, "--output-dir"))

    def _open_drawings(self, arguments: Namespace, files: ExitStack) -> None:
        """Open and lock the folder that --visualize names."""
        from runtime.infer.visualize import Visualizer

        folder = arguments.visualize
        most = arguments.max_pixels or self._task.max_pixels
        drawings = Visualizer(folder, self._task.open_drawing(), most, arguments.resume)
        is_locked = arguments.output is not None and (
            os.path.realpath(arguments.output) == os.path.realpath(folder)
        )
        if not is_locked:
            files.enter_context(OutputLock(folder, "--visualize"))
        self._draw = drawings.draw


def _refuse_page(source: ImageSource) -> None:
    """Refuse to write labels of a page of a file, which neither training nor PPOCRLabel opens.

    Raises:
        ArtifactError: with the remedy.
    """
    if isinstance(source, Page | PdfPage):
        raise ArtifactError(
            f"labels are of pictures: expected files of one picture each, got {source.name}; save "
            f"its pages as pictures, of a PDF e.g. with {RENDERING}, and read these"
        )
