"""A folder of lines end to end: speed, accuracy, stages, threads, memory and cold start.

    python -m benchmarks.throughput --images DIR_OR_LABELS [--model student.onnx] [--peer rapidocr]
    python -m benchmarks.throughput --images LABELS --model student.onnx --inference student/ \
        --peer paddleocr --paddleocr CHECKOUT

Each contender runs in a process of its own, in alternation, on the same model file and the same
lines. Images are decoded within the time, the model is loaded before. Exit status: 0 measured, 1 a
contender failed, 2 nothing could be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from benchmarks.measuring.alternation import Attempt, run_in_alternation, same_as_first
from benchmarks.measuring.command import command_parser
from benchmarks.measuring.comparison import EACH, failures, figures_by_contender, speeds, table
from benchmarks.measuring.lines import find_lines, read_lines, write_lines
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import (
    Failure,
    Measure,
    Result,
    measure,
    named_file,
    save_result,
    surroundings,
)
from benchmarks.throughput.cold_start import measure_cold_start
from benchmarks.throughput.contenders import (
    PEERS,
    STAGES,
    THREADS_OF_ITS_OWN,
    TITLES,
    Chosen,
    bundled_model,
    choose,
    command_of,
    contender,
)
from runtime.cpu import available_cpus
from runtime.errors import OcrError

_COLUMNS = {
    "right": "right",
    "exact": "exact",
    "network_share": "in network",
    "peak_mib": "peak MiB",
}
_FIGURES = (
    ("right", "right", "lines", "higher", True),
    ("exact", "exact", "lines", "higher", True),
    ("character_errors", "character errors", "share", "lower", True),
    ("network_share", "in the network", "share", "higher", False),
    ("peak_mib", "peak memory", "MiB", "lower", False),
)
"""Figure of a run, how it is called, unit, what is better, whether repeating gives the same."""


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.throughput", __doc__)
    add = parser.add_argument
    add("--peer", choices=PEERS, default="rapidocr", help="default: %(default)s")
    add("--paddleocr", type=Path, metavar="DIR", help="a checkout of PaddleOCR")
    add("--inference", type=Path, metavar="DIR", help="the model as a folder that PaddleOCR opens")
    add("--images", type=Path, required=True, help="a label file, or a folder of them or of images")
    add("--count", type=int, default=1000, help="lines; default: %(default)s")
    add("--model", type=Path, help="an .onnx file; RapidOCR's own by default")
    add("--eight-bit", type=Path, metavar="FILE", help="its form by export quantize, read too")
    add("--openvino", action="store_true", help="read in OpenVINO too, in all that it has here")
    add("--other", type=Path, metavar="FILE", help="another recogniser of this project's, read too")
    add("--other-eight-bit", type=Path, metavar="FILE", help="its form by export quantize")
    add("--threads", type=int, default=available_cpus(), help="of the CPU; all by default")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--cold-starts", type=int, default=5, help="0: none; default: %(default)s")
    add("--timeout", type=float, default=600.0, metavar="S")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = options_parser().parse_args(given)
    try:
        result = measure_throughput(options, given)
        if options.output is not None:
            save_result(options.output, result)
    except OcrError as error:
        print(f"benchmarks.throughput: {error}", file=sys.stderr)
        return 2
    if not result.measures:
        print("benchmarks.throughput: no contender gave a figure", file=sys.stderr)
        return 2
    return int(result.has_failed)


def measure_throughput(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Measure, print the tables, and return everything.

    Raises:
        OcrError: if there are no lines, no model, or no peer that was asked for.
    """
    around = surroundings()
    if options.peer == "paddleocr":
        around["remarks"] = (*around["remarks"], THREADS_OF_ITS_OWN)
    others = {
        "8-bit form": options.eight_bit,
        "other": options.other,
        "other's 8-bit form": options.other_eight_bit,
    }
    for model in (options.model, *others.values()):
        if model is not None and not model.is_file():
            raise OcrError(f"no such model: expected a file, got {model}; check the path")
    if options.model is None:
        options.model = bundled_model("rapidocr")
    lines = find_lines(options.images, options.count)
    chosen = choose(options)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "lines.json"
        write_lines(file, lines)
        attempts = _attempts(chosen, file, options)
        # Cold starts come last and read a single line, so that imports and loading dominate.
        one_line = Path(scratch) / "line.json"
        write_lines(one_line, lines[:1])
        cold, cold_failures = _cold_starts(chosen, one_line, options)
    reading = [attempt for attempt in attempts if attempt.contender in chosen.reading]
    print(table(reading, chosen.reference, "lines/s", _COLUMNS, chosen.absent))
    measures = (*_measures(attempts, chosen), *cold)
    for figure in measures:
        if not figure.name.startswith("reading"):
            spread = f"{figure.least:.4g}-{figure.most:.4g}"
            print(f"{figure.name}: {figure.value:.4g} {figure.unit} ({spread})")
    figures = [attempt.figures for attempt in attempts if attempt.figures is not None]
    return Result(
        benchmark="throughput",
        title="A folder of lines, end to end",
        command=("python", "-m", "benchmarks.throughput", *command),
        inputs={
            "model": named_file(options.model),
            **{name: named_file(file) for name, file in others.items() if file is not None},
            "lines": {
                "name": options.images.name,
                "number": len(lines),
                "labelled": sum(line.text is not None for line in lines),
                "sha256": figures[0]["inputs_sha256"] if figures else "",
            },
        },
        settings={"threads": options.threads, "rounds": options.rounds},
        measures=measures,
        failures=(*failures(attempts, chosen.absent), *cold_failures),
        details={"references": {"reading": chosen.reference}, "titles": TITLES},
        **around,
    )


def _attempts(chosen: Chosen, file: Path, options: argparse.Namespace) -> list[Attempt]:
    contenders = [
        *(contender(name, name, file, options, options.threads) for name in chosen.reading),
        *(contender(name, "ours", file, options, n) for name, n in chosen.scaling.items()),
        contender(STAGES, STAGES, file, options, 1),
    ]
    with tqdm(total=len(contenders) * options.rounds, desc="throughput", unit="run") as bar:

        def report(attempt: Attempt) -> None:
            figures = attempt.figures
            bar.set_postfix_str(
                f"{attempt.contender}: "
                + (f"{figures[EACH][0]:.1f} lines/s" if figures else str(attempt.reason))
            )
            bar.update()

        check = same_as_first("inputs_sha256", "read other pixels")
        return run_in_alternation(contenders, options.rounds, options.timeout, ROOT, check, report)


def _measures(attempts: Sequence[Attempt], chosen: Chosen) -> Iterator[Measure]:
    rates = speeds(attempts, "reading", "lines/s")
    for name, runs in figures_by_contender(attempts).items():
        if not runs:
            continue
        if name == STAGES:
            for stage in runs[0]["ms_a_line"]:
                samples = [run["ms_a_line"][stage] for run in runs]
                yield measure(f"stages / {stage} / a line", "ms", "lower", samples)
            continue
        if name in chosen.scaling:
            yield replace(rates[name], name=f"threads / {chosen.scaling[name]} / speed")
            continue
        yield rates[name]
        for key, title, unit, better, is_exact in _FIGURES:
            if runs[0].get(key) is not None:
                values = [run[key] for run in runs]
                yield measure(f"reading / {name} / {title}", unit, better, values, is_exact)


def _cold_starts(
    chosen: Chosen, line: Path, options: argparse.Namespace
) -> tuple[list[Measure], list[Failure]]:
    if not options.cold_starts:
        return [], []
    commands = {
        name: command_of(name, line, options, options.threads, ["--cold"])
        for name in chosen.reading
    }
    (first,) = read_lines(line)
    infer = (sys.executable, "-m", "runtime.infer", first.path)
    commands["command line"] = [*infer, "--model", str(options.model.resolve())]
    try:
        seconds = measure_cold_start(commands, options.cold_starts, ROOT)
    except OcrError as error:
        return [], [Failure("cold start", str(error))]
    return [
        measure(f"cold start / {name} / one image", "s", "lower", runs)
        for name, runs in seconds.items()
    ], []


if __name__ == "__main__":
    sys.exit(main())
