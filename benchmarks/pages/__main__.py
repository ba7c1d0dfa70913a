"""Whole pages, from files to text: words, boxes, order, speed and memory beside other readers.

    python -m benchmarks.pages --labels LABELS [--detector FILE] [--recognizer FILE] [--output FILE]

All read the same files in alternation, in processes of their own that are kept to the same number
of CPUs; images are decoded within the time. RapidOCR runs as it comes, and with the denormal
weights of its detector set to 0; faster-paddle brings its own files of the same models. A peer
that needs another Python is given one: `--python faster-paddle=/path/of/python`, or the variable
`BENCHMARK_PYTHON_FASTER_PADDLE`. CPU time by stage is taken apart, with one thread each. Exit
status: 0 measured, 1 a reader failed, 2 nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.detection.__main__ import bundled_model
from benchmarks.measuring.alternation import Attempt, run_in_alternation, same_as_first
from benchmarks.measuring.command import command_parser, require_files, run_command
from benchmarks.measuring.comparison import (
    aligned,
    failures,
    figures_by_contender,
    speeds,
    table,
)
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import (
    Measure,
    Result,
    measure,
    named_file,
    surroundings,
)
from benchmarks.pages.contenders import PEERS, absent_peers, contenders_of
from benchmarks.pages.labels import LabelledPage, labelled_pages
from benchmarks.pages.scores import FoundLine, PageScores
from benchmarks.pages.stages import FINDING, READING, THE_REST, TURNING
from benchmarks.throughput.contenders import bundled_model as bundled_recognizer
from runtime.cpu import available_cpus
from runtime.recognition.scores import are_capitals

_COLUMNS = {
    "cpu_s": "CPU s a page",
    "peak_mib": "peak MiB",
    "word_f1": "word F1",
    "box_f1": "box hmean",
    "order": "order",
    "lines": "lines",
    "failed": "failed",
}
_FIGURES = (
    ("cpu_s", "CPU time a page", "s", "lower", False),
    ("peak_mib", "peak memory", "MiB", "lower", False),
    ("word_f1", "word F1", "share", "higher", True),
    ("word_precision", "word precision", "share", "higher", True),
    ("word_recall", "word recall", "share", "higher", True),
    ("box_f1", "box hmean", "share", "higher", True),
    ("box_precision", "box precision", "share", "higher", True),
    ("box_recall", "box recall", "share", "higher", True),
    ("order", "order", "share", "higher", True),
    ("failed", "failed pages", "pages", "lower", True),
)
_STAGES = "stages"


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.pages", __doc__)
    add = parser.add_argument
    add("--labels", type=Path, required=True, help="PaddleOCR's label file of pages")
    add("--count", type=int, default=20, help="pages; default: %(default)s")
    add("--detector", type=Path, help=".onnx file; RapidOCR's own by default")
    add("--recognizer", type=Path, help=".onnx file; RapidOCR's own by default")
    add("--peers", nargs="*", choices=PEERS, default=[*PEERS], help="all by default")
    add("--python", nargs="*", default=[], metavar="PEER=FILE", help="the Python of a peer")
    add("--case", choices=("auto", "kept", "ignored"), default="auto", help=_CASE_HELP)
    add("--threads", type=int, default=available_cpus(), help="CPUs of each; all by default")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--timeout", type=float, default=1800.0, metavar="S")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


_CASE_HELP = "of letters in words; auto ignores it where labels have capitals only"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_command(options_parser(), measured, arguments, lambda result: result.remarks)


def measured(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Measure, print the tables, and return everything.

    Raises:
        OcrError: if there is no model or no page.
    """
    around = surroundings()
    detector = options.detector or bundled_model()
    recognizer = options.recognizer or bundled_recognizer("rapidocr")
    require_files(options.labels, detector, recognizer)
    pages = labelled_pages(options.labels, options.count)
    texts = [text for page in pages for text in page.texts]
    ignores_case = options.case == "ignored" or (options.case == "auto" and are_capitals(texts))
    absent = absent_peers(options)
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "pages.json"
        listed.write_text(json.dumps([page.path for page in pages]), encoding="utf-8")
        readers = contenders_of(options, listed, detector, recognizer, absent)
        check = same_as_first("inputs_sha256", "read other images")
        attempts = run_in_alternation(readers, options.rounds, options.timeout, ROOT, check)
        in_stages = contenders_of(options, listed, detector, recognizer, absent, in_stages=True)
        stages = run_in_alternation(in_stages, 1, options.timeout, ROOT, check)
    for attempt in attempts:
        score(attempt, pages, ignores_case)
    print(table(attempts, readers[0].name, "pages/s", _COLUMNS, absent))
    print("\n".join(stage_table(stages)))
    return Result(
        benchmark="pages",
        title="Whole pages, from files to text",
        command=("python", "-m", "benchmarks.pages", *command),
        inputs={
            "detector": named_file(detector),
            "recognizer": named_file(recognizer),
            "pages": {
                "name": f"{options.labels.parent.name}/{options.labels.name}",
                "number": len(pages),
                "sha256": sha256_of_inputs(attempts),
            },
        },
        settings={
            "threads": options.threads,
            "rounds": options.rounds,
            "case": "ignored" if ignores_case else "kept",
        },
        measures=(*_measures(attempts), *_stage_measures(stages)),
        failures=(*failures(attempts, absent), *failures(stages, group=_STAGES)),
        remarks=(*around.pop("remarks"), *_remarks(pages, options.case, ignores_case)),
        **around,
    )


def score(attempt: Attempt, pages: Sequence[LabelledPage], ignores_case: bool) -> None:
    """Put the scores of a run among its figures, in place of what it read."""
    if attempt.figures is None:
        return
    scores = PageScores(ignores_case)
    for page, lines in zip(pages, attempt.figures.pop("pages"), strict=True):
        scores.add(page, [FoundLine(**line) for line in lines])
    attempt.figures.update(scores.figures())


def sha256_of_inputs(attempts: Sequence[Attempt]) -> str:
    """Return the hash of the files that were read, empty if none was."""
    found = (attempt.figures for attempt in attempts if attempt.figures is not None)
    return next((figures["inputs_sha256"] for figures in found), "")


def _measures(attempts: Sequence[Attempt]) -> Iterator[Measure]:
    yield from speeds(attempts, "reading", "pages/s").values()
    for name, runs in figures_by_contender(attempts).items():
        for key, title, unit, better, is_exact in _FIGURES:
            values = [run[key] for run in runs if run[key] is not None]
            if values:
                yield measure(f"reading / {name} / {title}", unit, better, values, is_exact)


def _stage_measures(attempts: Sequence[Attempt]) -> Iterator[Measure]:
    for name, runs in figures_by_contender(attempts).items():
        for stage, cpu_s in runs[0]["stages"].items() if runs else ():
            yield measure(f"{_STAGES} / {name} / {stage}", "s", "lower", [cpu_s])


def stage_table(attempts: Sequence[Attempt]) -> list[str]:
    """Return aligned lines: CPU seconds a page of each stage, and of all."""
    stages = [FINDING, READING, TURNING, THE_REST]
    rows = [["CPU s a page, one thread", *stages, "together"]]
    for name, runs in figures_by_contender(attempts).items():
        for run in runs:
            spent = (run["stages"].get(stage) for stage in stages)
            cells = ["" if cpu_s is None else f"{cpu_s:.3f}" for cpu_s in spent]
            rows.append([name, *cells, f"{run['cpu_s']:.3f}"])
    return aligned(rows)


def _remarks(pages: Sequence[LabelledPage], case: str, ignores_case: bool) -> Iterator[str]:
    """Yield what the scores depend on."""
    if ignores_case:
        reason = " because all labels are in capitals" if case == "auto" else ""
        yield f"words are compared without regard to case{reason}"
    by_rows = sum(page.goes_down for page in pages)
    if by_rows < len(pages):
        yield (
            f"the labels of {len(pages) - by_rows} of {len(pages)} pages do not go down the page "
            "row by row, so that they tell little of order: benchmarks.pages.changed --by-rows "
            "leaves them out"
        )


if __name__ == "__main__":
    sys.exit(main())
