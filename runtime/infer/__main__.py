"""Read line images from the command line: `python -m runtime.infer images/ --model student.onnx`.

With `--pages` it reads whole pages, with `--detect-only` it finds their lines and reads nothing.

Exit status: 0 all images were read; 1 some could not be, now or before `--resume`; 2 not done as
asked, for the reason given in one line; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from runtime.errors import OcrError
from runtime.infer.arguments import parse_arguments
from runtime.program import tell, told
from runtime.standard_streams import forget_stdout, log_to_stderr, open_standard_streams, say

if TYPE_CHECKING:  # slow imports come after the command line was checked
    from runtime.images.read import ImageSource
    from runtime.images.sources import LeftOut

ALL_READ, SOME_FAILED, UNUSABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

_STDIN = 0
_OBJECTS_BETWEEN_COLLECTIONS = 50_000
_SECONDS_TO_WRITE, _SECONDS_TO_PRINT, _SECONDS_TO_END_RAY = 20.0, 1.0, 20.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process when None.

    Returns:
        the exit status.
    """
    closed = open_standard_streams()
    arguments = parse_arguments(argv)
    log_to_stderr(logging.WARNING if arguments.quiet else logging.INFO)
    try:
        if "stdout" in closed and not _has_other_output(arguments):
            raise OcrError(
                "standard output is closed: expected another place for the results; name "
                "--output FILE"
            )
        return _infer(arguments)
    except OcrError as error:
        tell("infer", told(error))
        return UNUSABLE
    except KeyboardInterrupt:
        tell("infer", f"interrupted{_how_to_resume(arguments)}")
        return INTERRUPTED
    except BrokenPipeError:
        forget_stdout()
        return PIPE_CLOSED
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            forget_stdout()
        tell("infer", f"cannot write the results: {error.strerror or error}")
        return UNUSABLE


def _infer(arguments: Namespace) -> int:
    """Read the images and pass their results on; return the exit status."""
    from runtime.images.sources import LeftOut
    from runtime.infer.interruption import SECONDS_TO_LEAVE, Interruption
    from runtime.infer.opening import open_stream
    from runtime.infer.progress import Progress
    from runtime.infer.results import Results
    from runtime.infer.source_queue import SourceQueue
    from runtime.infer.task import task_of
    from runtime.silence import silence_opencv

    silence_opencv()
    left_out = LeftOut()
    with ExitStack() as stack:
        patience = _SECONDS_TO_END_RAY if arguments.ray else SECONDS_TO_LEAVE
        interruption = stack.enter_context(Interruption(patience))
        task = task_of(arguments)
        stream = open_stream(task, arguments, stack, lambda: interruption.is_due)
        results = stack.enter_context(Results(task, arguments))
        most_pixels = arguments.max_pixels or task.max_pixels
        images = _images(
            arguments, most_pixels, lambda: interruption.is_asked, left_out, task.reads_documents
        )
        sources = SourceQueue(
            images, lambda: interruption.is_asked, results.done.names, results.done.named
        )
        terminal = _terminal(arguments)
        total = _number_of_images(arguments, task.reads_documents) if terminal else lambda: None
        progress = stack.enter_context(Progress(terminal, task.unit, task.counted, total))

        def sum_up() -> None:
            if not arguments.quiet:
                progress.hide()
                say(results.summary(progress.seconds, sources.num_skipped, left_out))

        # What remains to be done if the run is stuck when it is interrupted, the files first.
        interruption.before_leaving(
            lambda: results.leave_files(_SECONDS_TO_WRITE), 2 * _SECONDS_TO_WRITE
        )
        interruption.before_leaving(results.leave_printing, _SECONDS_TO_PRINT)
        interruption.before_leaving(sum_up, _SECONDS_TO_PRINT)
        interruption.before_leaving(
            lambda: tell("infer", f"interrupted{_how_to_resume(arguments)}"), _SECONDS_TO_PRINT
        )
        for result in stream(sources):
            results.take(sources.next_taken(), result)
            progress.count()
            if interruption.is_due:
                break
        if interruption.is_asked and not results.num_images:
            raise KeyboardInterrupt
        results.close(is_complete=not interruption.is_asked)
    sum_up()
    if arguments.quiet and results.labels is not None:  # it was asked for
        print(results.labels.summary())
    if interruption.is_asked:
        raise KeyboardInterrupt
    if results.labels is not None:
        results.labels.check_use()
    return SOME_FAILED if results.has_failures else ALL_READ


def _images(
    arguments: Namespace,
    max_pixels: int,
    is_over: Callable[[], bool],
    left_out: LeftOut,
    with_pdf: bool,
) -> Iterator[ImageSource]:
    """Yield the images that the command line names, found while iterating."""
    from runtime.images.read import most_bytes
    from runtime.images.sources import documents_opened, listed_names, sources_from
    from runtime.infer.standard_input import StandardInput

    stdin = StandardInput(_STDIN, is_over)
    for name in arguments.paths:
        if arguments.ray and "://" in name:
            from runtime.cluster.addresses import images_at, sources_at

            if with_pdf:
                yield from sources_at(name, max_pixels, left_out, arguments.pdf_dpi)
            else:
                yield from images_at(name, left_out)
        else:
            names = stdin.names() if name == "-" else [name]
            yield from sources_from(names, left_out, with_pdf, arguments.pdf_dpi)
    for file in arguments.list:
        yield from sources_from(listed_names(file), left_out, with_pdf, arguments.pdf_dpi)
    if arguments.stdin_images:
        images = stdin.images(most_bytes(max_pixels))
        yield from documents_opened(images, arguments.pdf_dpi) if with_pdf else images


def _number_of_images(arguments: Namespace, with_pdf: bool) -> Callable[[], int | None]:
    """Return what tells the number of images; nobody knows that of streams and of documents."""
    from runtime.images.sources import find_images
    from runtime.infer.progress import counted_aside

    others = arguments.stdin_images or arguments.list or arguments.resume
    if others or any(name[:1] in ("-", "@") or "://" in name for name in arguments.paths):
        return lambda: None
    return counted_aside(find_images(arguments.paths, with_pdf))


def _has_other_output(arguments: Namespace) -> bool:
    """Tell whether the run has a result even if nothing is printed."""
    files = (arguments.output, arguments.document, arguments.output_dir)
    outputs = (*files, arguments.labels, arguments.visualize)
    return arguments.quiet or any(output is not None for output in outputs)


def _terminal(arguments: Namespace) -> Any:
    """Return the terminal for the progress, None if there is none or results are printed to it."""
    is_shown = sys.stderr.isatty() and not sys.stdout.isatty() and not arguments.quiet
    return sys.stderr if is_shown else None


def _how_to_resume(arguments: Namespace) -> str:
    """Return the end of a message that says how to resume, "" if there is nothing to resume."""
    if arguments.output is None or not os.path.exists(arguments.output):
        return ""
    return f"; what was read is in {arguments.output}: go on with --resume"


if __name__ == "__main__":
    # Imports leave no garbage: looking for it, then and as the process ends, takes a tenth of the
    # time from a new process to the text of one image.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    status = main()
    gc.freeze()
    sys.exit(status)
