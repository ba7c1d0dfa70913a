"""How long one batch takes on every engine that is here: batch x width, cold, first and steady.

    python -m benchmarks.latency --model student.onnx [--half student_fp16.onnx] [--plans *.plan]

Each engine runs in a process of its own, in alternation. Engines that cannot be here are named with
the reason. Exit status: 0 measured, 1 an engine that is here failed, 2 nothing could be measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.latency.backends import TITLES, Backend, find_backends
from benchmarks.latency.plots import draw_latency
from benchmarks.measuring.alternation import Attempt, Contender, run_in_alternation
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import (
    Failure,
    Measure,
    Result,
    exit_status,
    measure,
    save_result,
    surroundings,
)
from runtime.cpu import available_cpus
from runtime.errors import OcrError
from runtime.files import sha256_of_file

_CLOCKS = {"engine": "engine only", "end_to_end": "end to end"}


def options_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, help="the FP32 .onnx file")
    add("--half", type=Path, help="its FP16 form")
    add("--plans", type=Path, nargs="+", default=[], help="TensorRT plans made from it")
    add("--batches", type=_count, nargs="+", default=[1, 2, 4, 8, 16], metavar="N")
    add("--widths", type=_count, nargs="+", default=[64, 160, 320, 640], metavar="PX")
    add("--rounds", type=_count, default=3, help="default: %(default)s")
    add("--warm-up", type=float, default=0.1, metavar="S", help="default: %(default)s")
    add("--seconds", type=float, default=0.4, metavar="S", help="a shape; default: %(default)s")
    add("--threads", type=_count, default=available_cpus(), help="of the CPU; all by default")
    add("--timeout", type=float, default=600.0, metavar="S")
    add("--output", type=Path, metavar="FILE", help="everything as JSON, a picture beside it")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = options_parser().parse_args(given)

    def measured() -> Result:
        result = measure_latency(options, given)
        if options.output is not None:
            save_result(options.output, result)
            draw_latency(result, options.output.with_suffix(".png"))
        return result

    return exit_status("benchmarks.latency", measured, report_lines)


def measure_latency(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Run every engine.

    Raises:
        OcrError: if a model is missing.
    """
    around = surroundings()
    files = [file for file in (options.model, options.half, *options.plans) if file is not None]
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise OcrError(f"no such model: expected a file, got {missing}; check the path")
    backends = find_backends(options.model, options.half, options.plans)
    present = [backend for backend in backends if backend.reason is None]
    with tqdm(total=len(present) * options.rounds, desc="latency", unit="run") as bar:

        def report(attempt: Attempt) -> None:
            bar.set_postfix_str(attempt.reason or attempt.contender)
            bar.update()

        attempts = run_in_alternation(
            [_contender(backend, options) for backend in present],
            *(options.rounds, options.timeout, ROOT),
            report=report,
        )
    good = {
        backend.name: [
            a.figures for a in attempts if a.contender == backend.name and a.figures is not None
        ]
        for backend in present
    }
    details = {name: _summed_up(runs) for name, runs in good.items() if runs}
    return Result(
        benchmark="latency",
        title="One batch, every shape",
        command=("python", "-m", "benchmarks.latency", *command),
        inputs={file.name: {"sha256": sha256_of_file(file)} for file in dict.fromkeys(files)},
        settings={
            **{"threads": options.threads, "rounds": options.rounds},
            **{"warm_up_s": options.warm_up, "seconds_per_shape": options.seconds},
            **{"batches": options.batches, "widths_px": options.widths},
        },
        measures=tuple(
            figure for name, runs in good.items() if runs for figure in _measures(name, runs)
        ),
        failures=(
            *(Failure(a.contender, a.reason, tail=a.tail) for a in attempts if a.reason),
            *(Failure(b.name, b.reason, is_absent=True) for b in backends if b.reason),
        ),
        details={"titles": dict(TITLES), "backends": details},
        **around,
    )


def _contender(backend: Backend, options: argparse.Namespace) -> Contender:
    words = [sys.executable, "-m", "benchmarks.latency.contender", backend.name]
    words += ["--model", str(Path(str(backend.model)).resolve())]
    words += ["--batches", *map(str, options.batches), "--widths", *map(str, options.widths)]
    words += ["--warm-up", str(options.warm_up), "--seconds", str(options.seconds)]
    return Contender(backend.name, (*words, "--threads", str(options.threads)))


def _measures(name: str, runs: Sequence[Mapping[str, Any]]) -> Iterator[Measure]:
    """Medians of every shape, and the parts of a cold start; one sample a round."""
    for position, cell in enumerate(runs[0]["cells"]):
        shape = f"{name} / {cell['batch']} x {cell['width_px']} px"
        cells = [run["cells"][position] for run in runs]
        for clock, title in _CLOCKS.items():
            samples = [cell[clock]["p50"] for cell in cells]
            yield measure(f"{shape} / {title}, median", "ms", "lower", samples)
        yield measure(f"{shape} / first run", "ms", "lower", [cell["first_ms"] for cell in cells])
    for part in runs[0]["cold_s"]:
        samples = [1000 * run["cold_s"][part] for run in runs]
        yield measure(f"{name} / cold start / {part}", "ms", "lower", samples)


def _summed_up(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each shape with its percentiles: the median of the rounds' percentiles."""
    cells = []
    for position, first in enumerate(runs[0]["cells"]):
        same = [run["cells"][position] for run in runs]
        cell = {key: first[key] for key in ("batch", "width_px")}
        cell["first_ms"] = statistics.median(round_cell["first_ms"] for round_cell in same)
        cell["runs"] = sum(round_cell["runs"] for round_cell in same)
        for clock in _CLOCKS:
            cell[clock] = {
                percent: statistics.median(round_cell[clock][percent] for round_cell in same)
                for percent in first[clock]
            }
        cells.append(cell)
    cold_s = {
        part: statistics.median(run["cold_s"][part] for run in runs) for part in runs[0]["cold_s"]
    }
    return {"description": runs[0]["description"], "cold_s": cold_s, "cells": cells}


def report_lines(result: Result) -> Iterator[str]:
    """The table: a row for each engine and shape, then what was not measured."""
    heads = ("engine ms: p50", "p90", "p95", "p99", "end to end: p50", "p99", "first")
    yield f"{'':14} {'N x W':>9}  " + "  ".join(heads) + "  lines/s"
    for name, backend in result.details["backends"].items():
        for cell in backend["cells"]:
            engine, whole = cell["engine"], cell["end_to_end"]
            times = [engine[key] for key in ("p50", "p90", "p95", "p99")]
            times += [whole["p50"], whole["p99"], cell["first_ms"]]
            shown = "  ".join(
                f"{value:{len(head)}.2f}" for head, value in zip(heads, times, strict=True)
            )
            shape = f"{cell['batch']} x {cell['width_px']}"
            yield f"{name:14} {shape:>9}  {shown}  {1000 * cell['batch'] / whole['p50']:7.1f}"
        cold = ", ".join(f"{part} {seconds:.3f} s" for part, seconds in backend["cold_s"].items())
        yield f"{name}: cold: {cold}; {backend['description']}"
    for failure in result.failures:
        state = "not here" if failure.is_absent else "FAILED"
        yield f"{failure.what}: {state}: {failure.reason}"


if __name__ == "__main__":
    sys.exit(main())
