"""Pages to boxes, end to end: speed and agreement with labels, beside RapidOCR.

    python -m benchmarks.detection --labels LABELS [--models detector.onnx …] [--output FILE]

Both are told the same sizes, normalisation and thresholds, run the same files with the same number
of threads, in alternation and in processes of their own; images are decoded within the time.
Besides, boxes are traced in a map of 500 lines. Exit status: 0 measured, 1 a contender failed, 2
nothing could be measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.detection.contender import CONTENDERS, labelled_pages
from benchmarks.detection.tracing import HEIGHT_PX, WIDTH_PX, tracing
from benchmarks.measuring.alternation import (
    Attempt,
    Contender,
    run_in_alternation,
    same_as_first,
)
from benchmarks.measuring.command import command_parser, require_files, run_command
from benchmarks.measuring.comparison import failures, figures_by_contender, speeds, table
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import (
    Measure,
    Result,
    measure,
    named_file,
    surroundings,
)
from runtime.cpu import available_cpus
from runtime.errors import OcrError

_BUNDLED_MODEL = "models/PP-OCRv6_det_small.onnx"
_COLUMNS = {"cpu_s": "CPU s a page", "boxes": "boxes", "hmean": "hmean"}
_FIGURES = (
    ("cpu_s", "CPU time a page", "s", "lower", False),
    ("boxes", "boxes", "boxes", "higher", True),
    ("precision", "precision", "share", "higher", True),
    ("recall", "recall", "share", "higher", True),
    ("hmean", "hmean", "share", "higher", True),
)


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.detection", __doc__)
    add = parser.add_argument
    add("--labels", type=Path, required=True, help="PaddleOCR's label file of pages")
    add("--count", type=int, default=20, help="pages; default: %(default)s")
    add("--models", type=Path, nargs="+", help=".onnx files; RapidOCR's own by default")
    add("--threads", type=int, default=available_cpus(), help="of the CPU; all by default")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--timeout", type=float, default=900.0, metavar="S")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""

    def lines_of(result: Result) -> Iterator[str]:
        for figure in result.measures:
            yield f"{figure.name}: {figure.value:.4g} {figure.unit}"

    return run_command(options_parser(), measured, arguments, lines_of)


def measured(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Measure, print the table, and return everything.

    Raises:
        OcrError: if there is no model or no page.
    """
    around = surroundings()
    models = options.models or [bundled_model()]
    require_files(options.labels, *models)
    pages = labelled_pages(options.labels, options.count)
    has_peer = importlib.util.find_spec("rapidocr") is not None
    absent = {} if has_peer else {"rapidocr": "rapidocr is not installed: pip install rapidocr"}
    names = [name for name in CONTENDERS if name not in absent]
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "pages.json"
        listed.write_text(json.dumps(pages), encoding="utf-8")
        contenders = [
            Contender(f"{name}, {model.name}", _command(name, listed, model, options.threads))
            for model in models
            for name in names
        ]
        check = same_as_first("inputs_sha256", "read other images")
        attempts = run_in_alternation(contenders, options.rounds, options.timeout, ROOT, check)
    print(table(attempts, contenders[-1].name, "pages/s", _COLUMNS, absent))
    figures = [attempt.figures for attempt in attempts if attempt.figures is not None]
    return Result(
        benchmark="detection",
        title="Pages to boxes, end to end",
        command=("python", "-m", "benchmarks.detection", *command),
        inputs={
            "models": [named_file(model) for model in models],
            "pages": {
                "name": f"{options.labels.parent.name}/{options.labels.name}",
                "number": len(pages),
                "sha256": figures[0]["inputs_sha256"] if figures else "",
            },
            "map": {"height_px": HEIGHT_PX, "width_px": WIDTH_PX},
        },
        settings={"threads": options.threads, "rounds": options.rounds},
        measures=(*_measures(attempts), *tracing(5 * options.rounds)),
        failures=failures(attempts, absent),
        **around,
    )


def bundled_model() -> Path:
    """Find the detector that is installed with RapidOCR.

    Raises:
        OcrError: if RapidOCR is not installed, or brings none.
    """
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:
        raise OcrError("rapidocr is not installed: name an .onnx file with --models")
    return Path(found.origin).parent / _BUNDLED_MODEL


def _command(name: str, pages: Path, model: Path, threads: int) -> tuple[str, ...]:
    words = [sys.executable, "-m", "benchmarks.detection.contender", name]
    words += ["--pages", str(pages), "--model", str(model.resolve()), "--threads", str(threads)]
    return tuple(words)


def _measures(attempts: Sequence[Attempt]) -> Iterator[Measure]:
    yield from speeds(attempts, "finding", "pages/s").values()
    for name, runs in figures_by_contender(attempts).items():
        for key, title, unit, better, is_exact in _FIGURES if runs else ():
            values = [run[key] for run in runs]
            yield measure(f"finding / {name} / {title}", unit, better, values, is_exact)


if __name__ == "__main__":
    sys.exit(main())
