"""What a line and a page cost as there are more of them, with one thread and with all.

    python -m benchmarks.scaling --lines LABELS --pages LABELS --output scaling.json

Real lines and pages are read again and again up to each number, every number in a process of its
own; the slope is what ten times as many change of the cost. `--ray` adds what sending a line costs
the process that sends. `python -m benchmarks.scaling.paper scaling.json` works out many machines.
Exit status: 0 measured, 1 a run failed, 2 nothing was measured.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.measuring.alternation import Attempt, Contender, run_in_alternation
from benchmarks.measuring.command import command_parser, require_files, run_command
from benchmarks.measuring.comparison import EACH, failures, figures_by_contender
from benchmarks.measuring.lines import LabelledLine, find_lines, write_lines
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import Measure, Result, measure, named_file, surroundings
from benchmarks.pages.labels import labelled_pages
from benchmarks.scaling.reader import LINES, PAGES, SENT
from runtime.cpu import available_cpus
from runtime.detection.model.default import default_detector
from runtime.errors import OcrError
from runtime.recognition.model.default import default_model

_DISTINCT_LINES, _DISTINCT_PAGES = 500, 10
_MODULE = "benchmarks.scaling.reader"
_FIGURES = (("cpu_ms", "CPU", "ms"), ("peak_mib", "peak memory", "MiB"))


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.scaling", __doc__)
    add = parser.add_argument
    add("--lines", type=Path, help="a label file of lines, or a folder")
    add("--pages", type=Path, help="PaddleOCR's label file of pages")
    add("--line-counts", type=int, nargs="+", default=[1000, 10_000, 100_000], metavar="N")
    add("--page-counts", type=int, nargs="+", default=[10, 100], metavar="N")
    add("--threads", type=int, nargs="+", default=sorted({1, available_cpus()}), metavar="N")
    add("--model", type=Path, help="of lines; the project's own by default")
    add("--detector", type=Path, help="of pages; the project's own by default")
    add("--ray", action="store_true", help="and what sending a line to a cluster costs")
    add("--rounds", type=int, default=1, help="default: %(default)s")
    add("--timeout", type=float, default=36_000.0, metavar="S")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_command(options_parser(), measure_scaling, arguments, report_lines)


def measure_scaling(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Read every number of lines and pages with every number of threads.

    Raises:
        OcrError: if there is nothing to read.
    """
    options.model = options.model or default_model()
    options.detector = options.detector or default_detector()
    require_files(options.model, options.detector)
    images: dict[str, Sequence[LabelledLine]] = {}
    if options.lines is not None:
        images[LINES] = find_lines(options.lines, _DISTINCT_LINES)
    if options.pages is not None:
        pages = labelled_pages(options.pages, _DISTINCT_PAGES)
        images[PAGES] = [LabelledLine(page.path, None) for page in pages]
    if not images:
        raise OcrError("nothing to read: expected --lines LABELS or --pages LABELS, got neither")
    around = surroundings()
    with tempfile.TemporaryDirectory() as scratch:
        contenders = list(_contenders(options, images, Path(scratch)))
        attempts = run_in_alternation(
            contenders, options.rounds, options.timeout, ROOT, _objection, _report
        )
    by_run = figures_by_contender(attempts)
    return Result(
        benchmark="scaling",
        title="What a line and a page cost as there are more of them",
        command=("python", "-m", "benchmarks.scaling", *command),
        inputs={
            "model": named_file(options.model),
            "detector": named_file(options.detector),
            **{what: {"distinct": len(found)} for what, found in images.items()},
        },
        settings={"threads": options.threads, "rounds": options.rounds},
        measures=tuple(_measures(by_run, options)),
        failures=failures(attempts),
        **around,
    )


def name_of(what: str, number: int, threads: int) -> str:
    """Name a run, as its measures begin."""
    return f"{what} / {threads} threads / {number}"


def counts_of(options: argparse.Namespace) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield what is read, and how many of it."""
    yield LINES, sorted(options.line_counts)
    yield PAGES, sorted(options.page_counts)
    if options.ray:
        yield SENT, sorted(options.line_counts)[:2]


def _contenders(
    options: argparse.Namespace, images: Mapping[str, Sequence[LabelledLine]], scratch: Path
) -> Iterator[Contender]:
    for what, counts in counts_of(options):
        found = images.get(LINES if what == SENT else what)
        if found is None:
            continue
        names = scratch / f"{what}.json"
        # The least number of them, so that multiples of it are of the same mixture.
        write_lines(names, found[: counts[0]])
        for number in counts:
            for threads in options.threads if what != SENT else options.threads[-1:]:
                words = [sys.executable, "-m", _MODULE, what, "--names", str(names)]
                words += ["--number", str(number), "--threads", str(threads)]
                words += ["--model", str(options.model.resolve())]
                words += ["--detector", str(options.detector.resolve())]
                yield Contender(name_of(what, number, threads), tuple(words))


def _measures(
    by_run: Mapping[str, Sequence[dict[str, Any]]], options: argparse.Namespace
) -> Iterator[Measure]:
    for name, runs in by_run.items():
        if not runs:
            continue
        yield measure(f"{name} / speed", "images/s", "higher", [run[EACH][0] for run in runs])
        for key, title, unit in _FIGURES:
            if runs[0][key] is not None:
                yield measure(f"{name} / {title}", unit, "lower", [run[key] for run in runs])
    for what, counts in counts_of(options):
        file_bytes = [
            run["file_bytes"]
            for name, runs in by_run.items()
            for run in runs
            if name.startswith(f"{what} /")
        ]
        if file_bytes:
            yield measure(f"{what} / bytes a file", "bytes", "lower", file_bytes[:1], True)
        for threads in options.threads:
            for fewer, more in pairwise(counts):
                before, after = (
                    by_run.get(name_of(what, number, threads)) for number in (fewer, more)
                )
                if before and after:
                    slopes = [
                        (later["cpu_ms"] / earlier["cpu_ms"] - 1) / math.log10(more / fewer)
                        for earlier, later in zip(before, after, strict=False)
                    ]
                    name = f"{what} / {threads} threads / {fewer} to {more} / slope a decade"
                    yield measure(name, "share", "lower", slopes)


def _objection(figures: dict[str, Any]) -> str | None:
    return f"{figures['failed']} images could not be read" if figures["failed"] else None


def _report(attempt: Attempt) -> None:
    figures = attempt.figures
    state = attempt.reason or (figures and f"{figures['cpu_ms']:.3f} ms of the CPU an image")
    print(f"{attempt.contender}: {state}", file=sys.stderr, flush=True)


def report_lines(result: Result) -> Iterator[str]:
    """Yield every figure."""
    for figure in result.measures:
        yield f"{figure.name}: {figure.value:.4g} {figure.unit}"


if __name__ == "__main__":
    sys.exit(main())
