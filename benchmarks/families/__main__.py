"""Reading speed and memory of recognisers by their configs: what a family costs on this CPU.

    python -m benchmarks.families [--configs configs/recognition/PP-OCRv6_*_rec.yml] [--output FILE]

Each network is built with random weights, merged and converted as export does it, then runs lines
of 320 px by onnxruntime with one thread, one line at a time, in alternation with the others. Exit
status: 0 measured, 1 a network failed, 2 nothing could be measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.families.network_file import height_of
from benchmarks.measuring.alternation import Attempt, Contender, run_in_alternation
from benchmarks.measuring.command import command_parser, run_command
from benchmarks.measuring.comparison import failures, figures_by_contender, speeds, table
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import (
    Failure,
    Measure,
    Result,
    measure,
    named_file,
    surroundings,
)
from runtime.errors import OcrError

WIDTH_PX = 320
_COLUMNS = {"peak_mib": "peak MiB", "file_mb": "file MB"}
_FIGURES = (("peak_mib", "peak memory", "MiB"), ("file_mb", "file", "MB"))
_TIMEOUT_S = 900.0


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.families", __doc__)
    add = parser.add_argument
    add("--configs", type=Path, nargs="+", help="of one network each; every shipped one by default")
    add("--lines", type=int, default=60, help="timed, each round; default: %(default)s")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


def shipped() -> list[Path]:
    """Return the configs of one recogniser that come along."""
    found = [ROOT / "configs" / "ch_PP-OCRv2_rec.yml"]
    found += sorted((ROOT / "configs" / "recognition").glob("*.yml"))
    several = ("distillation", "teacher")
    return [path for path in found if not any(name in path.stem for name in several)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_command(options_parser(), measured, arguments)


def measured(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Measure, print the table, and return everything.

    Raises:
        OcrError: if there is no such config, or no network could be built.
    """
    around = surroundings()
    configs: list[Path] = options.configs or shipped()
    for path in configs:
        if not path.is_file():
            raise OcrError(f"no such config: {path}; check the path")
    unbuilt: list[Failure] = []
    with tempfile.TemporaryDirectory() as scratch:
        contenders = []
        for config in tqdm(configs, desc="building", unit="network"):
            model = Path(scratch) / f"{config.stem}.onnx"
            if (reason := _build(config, model)) is None:
                contenders.append(_contender(config, model, options.lines))
            else:
                unbuilt.append(Failure(config.stem, reason))
        if not contenders:
            raise OcrError(f"no network could be built: {unbuilt[0].reason}")
        with tqdm(total=len(contenders) * options.rounds, desc="reading", unit="run") as bar:
            attempts = run_in_alternation(
                contenders,
                *(options.rounds, _TIMEOUT_S, ROOT),
                report=lambda attempt: _advance(bar, attempt),
            )
    print(table(attempts, contenders[0].name, "lines/s", _COLUMNS))
    return Result(
        benchmark="families",
        title="Reading speed of each family",
        command=("python", "-m", "benchmarks.families", *command),
        inputs={"configs": [named_file(config) for config in configs]},
        settings={
            **{"threads": 1, "batch": 1, "width_px": WIDTH_PX},
            **{"lines": options.lines, "rounds": options.rounds},
        },
        measures=tuple(_measures(attempts)),
        failures=(*unbuilt, *failures(attempts)),
        **around,
    )


def _build(config: Path, model: Path) -> str | None:
    """Write a network in a process of its own; return why it cannot be, None where it was."""
    words = [sys.executable, "-m", "benchmarks.families.network_file", str(config.resolve())]
    done = subprocess.run([*words, str(model)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return next(reversed(done.stderr.strip().splitlines()), f"exit status {done.returncode}")


def _contender(config: Path, model: Path, num_lines: int) -> Contender:
    words = [sys.executable, "-m", "benchmarks.families.contender", str(model)]
    words += ["--height", str(height_of(config)), "--width", str(WIDTH_PX)]
    return Contender(config.stem, (*words, "--lines", str(num_lines)))


def _advance(bar: tqdm[Any], attempt: Attempt) -> None:
    bar.set_postfix_str(attempt.reason or attempt.contender)
    bar.update()


def _measures(attempts: Sequence[Attempt]) -> Iterator[Measure]:
    yield from speeds(attempts, "reading", "lines/s").values()
    for name, runs in figures_by_contender(attempts).items():
        for key, title, unit in _FIGURES if runs else ():
            values = [run[key] for run in runs if run[key] is not None]
            if values:
                yield measure(
                    f"reading / {name} / {title}", unit, "lower", values, key == "file_mb"
                )


if __name__ == "__main__":
    sys.exit(main())
