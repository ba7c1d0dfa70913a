"""What Ray costs on one machine: start-up seconds, steady lines a second, against one process.

    python -m benchmarks.cluster --images DIR_OR_LABELS --count 1000 --output FILE
    python -m benchmarks.cluster --pages --images LABELS --count 40 --detector FILE --output FILE

Each contender runs in a process of its own, in alternation, and must read the same texts. Start-up
goes from before anything is imported to the first result; the steady rate leaves out the first
quarter. Exit status: 0 measured, 1 some contender failed, 2 nothing was measured.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.detection.__main__ import bundled_model as bundled_detector
from benchmarks.measuring.alternation import Attempt, Contender, run_in_alternation, same_as_first
from benchmarks.measuring.command import command_parser
from benchmarks.measuring.comparison import EACH, failures, figures_by_contender, table
from benchmarks.measuring.lines import LabelledLine, find_lines, read_lines, write_lines
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import (
    Measure,
    Result,
    measure,
    named_file,
    save_result,
    surroundings,
)
from benchmarks.pages.labels import labelled_pages
from benchmarks.throughput.contenders import bundled_model
from runtime.errors import OcrError

ALONE, SHARED, SHIP = "one process", "ray, shared files", "ray, files sent"
_SHARE_BEFORE_STEADY = 0.25
_COLUMNS = {"start_s": "start, s", "total_s": "total, s"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        if options.contender is not None:
            print(json.dumps(_read(options)))
            return 0
        result = measure_cluster(options, given)
        if options.output is not None:
            save_result(options.output, result)
    except OcrError as error:
        print(f"benchmarks.cluster: {error}", file=sys.stderr)
        return 2
    return int(result.has_failed) if result.measures else 2


def measure_cluster(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Measure, print the table, and return everything.

    Raises:
        OcrError: if there are no lines, no model, or no Ray.
    """
    if importlib.util.find_spec("ray") is None:
        raise OcrError("Ray is not installed: pip install 'distilrec[ray]'")
    around = surroundings()
    options.model = options.model or bundled_model("rapidocr")
    if options.pages:
        options.detector = options.detector or bundled_detector()
        pages = labelled_pages(options.images, options.count)
        images = [LabelledLine(page.path, None) for page in pages]
    else:
        images = find_lines(options.images, options.count)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "images.json"
        write_lines(file, images)
        contenders = [_contender(name, file, options) for name in (ALONE, SHARED, SHIP)]
        check = same_as_first("texts_sha256", "read other texts")
        attempts = run_in_alternation(
            contenders, options.rounds, options.timeout, ROOT, check, _report
        )
    unit = _unit(options)
    print(table(attempts, ALONE, f"{unit}/s", _COLUMNS))
    models = {"model": named_file(options.model)}
    if options.pages:
        models["detector"] = named_file(options.detector)
    return Result(
        benchmark="cluster",
        title="What Ray costs on one machine",
        command=("python", "-m", "benchmarks.cluster", *command),
        inputs={**models, unit: {"name": options.images.name, "number": len(images)}},
        settings={"rounds": options.rounds},
        measures=tuple(_measures(attempts, unit)),
        failures=failures(attempts),
        **around,
    )


def _unit(options: argparse.Namespace) -> str:
    return "pages" if options.pages else "lines"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("benchmarks.cluster", __doc__)
    add = parser.add_argument
    add("--images", type=Path, required=True, help="a label file, or a folder of them or of images")
    add("--count", type=int, default=1000, help="lines or pages; default: %(default)s")
    add("--model", type=Path, help="an .onnx file; RapidOCR's own by default")
    add("--pages", action="store_true", help="read the pages of PaddleOCR's label file")
    add("--detector", type=Path, help="of pages: an .onnx file; RapidOCR's own by default")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--timeout", type=float, default=600.0, metavar="S")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    add("--contender", choices=(ALONE, SHARED, SHIP), help=argparse.SUPPRESS)
    return parser


def _contender(name: str, images: Path, options: argparse.Namespace) -> Contender:
    given = ["--images", str(images), "--model", str(options.model.resolve()), "--contender", name]
    if options.pages:
        given += ["--pages", "--detector", str(options.detector.resolve())]
    return Contender(name, (sys.executable, "-m", "benchmarks.cluster", *given))


def _read(options: argparse.Namespace) -> dict[str, Any]:
    """Read all images once; the figures of one contender in this process."""
    paths = [image.path for image in read_lines(options.images)]
    begin = time.perf_counter()
    digest, times = hashlib.sha256(), []
    with ExitStack() as stack:
        for result in _open_stream(options, stack)(paths):
            times.append(time.perf_counter())
            digest.update(f"{result.text}\n".encode())
    first = int(len(paths) * _SHARE_BEFORE_STEADY)
    return {
        EACH: [(len(times) - 1 - first) / (times[-1] - times[first])],
        "start_s": times[0] - begin,
        "total_s": times[-1] - begin,
        "texts_sha256": digest.hexdigest(),
    }


def _open_stream(options: argparse.Namespace, stack: ExitStack) -> Callable[..., Iterator[Any]]:
    """Open what reads images, in this process or on Ray, as the command line does."""
    from runtime.infer.arguments import parse_arguments
    from runtime.infer.opening import open_stream
    from runtime.infer.task import task_of

    given = ["images", "--model", str(options.model), "--device", "cpu"]
    if options.pages:
        given += ["--pages", "--detector", str(options.detector)]
    if options.contender != ALONE:
        given += ["--ray", "--ray-files", "ship" if options.contender == SHIP else "shared"]
    arguments = parse_arguments(given)
    return open_stream(task_of(arguments), arguments, stack, lambda: False)


def _measures(attempts: Sequence[Attempt], unit: str) -> Iterator[Measure]:
    for name, runs in figures_by_contender(attempts).items():
        if runs:
            rates = [run[EACH][0] for run in runs]
            yield measure(f"{name} / {unit} per second", f"{unit}/s", "higher", rates)
            yield measure(f"{name} / start-up", "s", "lower", [run["start_s"] for run in runs])


def _report(attempt: Attempt) -> None:
    figures = attempt.figures or {}
    state = attempt.reason or f"{figures[EACH][0]:.2f}/s after {figures['start_s']:.1f} s"
    print(f"round {attempt.round}: {attempt.contender}: {state}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
