"""Training speed, contender by contender, each in a process of its own, in alternation.

python -m benchmarks.training [--config FILE] [--paddleocr PATH] [--real DIR ...] [--profile]

Every contender trains the networks of a config, all of them learning, from the same first weights
on the same random batch; without a config the distillation pair of PP-OCRv2 (CTC + DML + L2,
Adam). Prints a table of medians over
all timed steps, their spread, and ratios to paddle as it comes; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import Result, save_result, surroundings
from benchmarks.training.parts import (
    measure_profile,
    measure_real,
    measure_steps,
    step_settings,
)
from benchmarks.training.settings import DESCRIPTIONS, OURS_FROZEN_TEACHER
from runtime.cpu import available_cpus
from runtime.errors import ConfigError, OcrError

RESULTS = ROOT / "benchmarks" / "results"
SPINNING = (
    "on a busy machine figures mislead most for contenders whose threads spin while they wait, as "
    "PyTorch's do"
)


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.training", __doc__)
    add = parser.add_argument
    add("--rounds", type=_count, default=3, help="processes of each contender")
    add("--steps", type=_count, default=6, help="timed steps of each process")
    add("--warmup", type=_count, default=2, help="steps before them")
    add("--batch-size", type=_count, default=32, help="N")
    add("--width", type=_count, help="px: of lines 320 by default, of square pages 640")
    add("--config", type=Path, help="lines are 48 px high then; PP-OCRv2's pair, 32 px, if none")
    add("--classes", type=_count, help="K; 97 for the pair, else PaddleOCR's by the config's name")
    add("--scale", type=float, help="of the backbone's channels; the config's 0.5 by default")
    add("--contenders", help=f"comma-separated, of {', '.join(DESCRIPTIONS)}")
    add("--frozen-teacher", action="store_true", help=f"also {OURS_FROZEN_TEACHER}")
    add("--paddleocr", type=Path, help="a checkout of PaddleOCR to measure too")
    add(
        "--pytorch-python",
        type=_interpreter,
        default=sys.executable,
        help="interpreter that has PyTorch",
    )
    add("--pytorch-threads", type=_count, default=available_cpus(), help="all CPUs by default")
    add("--real", nargs="+", type=Path, default=[], help="also on these label files or folders")
    add("--real-steps", type=_count, default=24, help="timed steps on them in each process")
    add("--num-workers", type=int, default=1, help="data workers on them")
    add("--max-text-length", type=_count, default=25, help="longer labels of them are left out")
    add("--profile", action="store_true", help="also time by kind of operation")
    add("--timeout", type=float, default=1800.0, help="seconds for one process")
    add("--output", type=Path, help="JSON file; a bare name goes to benchmarks/results/")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number


def _interpreter(text: str) -> str:
    """Make a path absolute; links stay, since a virtual environment lives by them."""
    return os.path.abspath(text) if os.sep in text else text


def measure(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Run every part that was asked for, print the tables, return the result."""
    around = surroundings()
    if around["remarks"]:
        around["remarks"] = (*around["remarks"], SPINNING)
        print("\n".join(around["remarks"]) + "\n")
    if options.config and options.real:
        raise ConfigError("--real trains PP-OCRv2's pair alone: leave --config or --real out")
    settings = step_settings(options)
    steps = measure_steps(options, settings)
    parts = [steps]
    if options.real:
        parts.append(measure_real(options, settings))
    if options.profile:
        parts.append(measure_profile(options, settings))
    # Remarks on the machine come first, then those of each part.
    remarks = (*around.pop("remarks"), *(remark for part in parts for remark in part.remarks))
    return Result(
        benchmark="training",
        title="Training speed",
        command=("python", "-m", "benchmarks.training", *command),
        inputs={"sha256": steps.inputs_sha256},
        settings={
            **asdict(settings),
            "config": Path(settings.config).name,
            "paddleocr": bool(settings.paddleocr),
            "rounds": options.rounds,
        },
        measures=tuple(measure for part in parts for measure in part.measures),
        failures=tuple(failure for part in parts for failure in part.failures),
        remarks=remarks,
        details={
            "references": {part.name: part.reference for part in parts if part.reference},
            "contenders": dict(steps.contenders),
            "runs": {part.name: [asdict(run) for run in part.attempts] for part in parts},
        },
        **around,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 when a contender failed, 2 on a wrong option."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = options_parser().parse_args(given)
    try:
        result = measure(options, given)
        print(json.dumps(result.as_json(), ensure_ascii=False))
        if options.output:
            is_bare = options.output.parent == Path()
            save_result(RESULTS / options.output if is_bare else options.output, result)
    except OcrError as error:
        print(f"benchmarks.training: {error}", file=sys.stderr)
        return 2
    return int(result.has_failed)


if __name__ == "__main__":
    sys.exit(main())
