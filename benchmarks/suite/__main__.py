"""Everything that needs no outside data, and the page that shows it.

    python -m benchmarks.suite --output output/bench [--data PACKS] [--paddleocr DIR] [--quick]

Exports the small Student, renders lines, measures accuracy, reading speed, latency and training,
and writes OUTPUT/index.html and OUTPUT/summary.md. A step that fails does not stop the others.
What is done is not done again unless the code or a command has changed; --fresh does all again.
Exit status: 0 all measured, 1 a step failed, 2 nothing could be shown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.result import Failure, Result, measure, save_result, surroundings
from benchmarks.report.__main__ import collect, write_report
from benchmarks.suite.plan import SIZES, Wanted, steps_of
from benchmarks.suite.run import run_steps
from runtime.errors import OcrError

SUITE_RESULT = "suite.json"


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.suite", __doc__)
    add = parser.add_argument
    add("--output", type=Path, default=Path("output/bench"), metavar="DIR")
    add("--data", type=Path, metavar="PACKS", help="folder of packs with val.tsv: real lines too")
    add("--model", type=Path, help="an .onnx for real lines; RapidOCR's own by default")
    add("--paddleocr", type=Path, metavar="DIR", help="a checkout of PaddleOCR to measure too")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a look in two minutes, not figures")
    size.add_argument("--thorough", action="store_true", help="more of everything, for an hour")
    add("--fresh", action="store_true", help="measure again what is there already")
    add("--timeout", type=float, default=3600.0, metavar="S", help="for one step")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = options_parser().parse_args(given)
    name = "quick" if options.quick else "thorough" if options.thorough else "default"
    folder: Path = options.output
    try:
        wanted = Wanted(folder, SIZES[name], options.data, options.model, options.paddleocr)
        _require_inputs(wanted)
        if options.fresh:
            (folder / "state.json").unlink(missing_ok=True)
        around = surroundings()
        steps = steps_of(wanted)
        outcomes = run_steps(steps, folder, options.timeout)
        result = Result(
            benchmark="suite",
            title="The run itself",
            command=("python", "-m", "benchmarks.suite", *given),
            settings={"size": name},
            measures=tuple(
                measure(f"suite / {outcome.name} / duration", "s", "lower", [outcome.seconds])
                for outcome in outcomes
                if outcome.is_good
            ),
            failures=tuple(
                Failure(outcome.name, outcome.reason, outcome.is_absent, outcome.tail)
                for outcome in outcomes
                if outcome.reason is not None
            ),
            **around,
        )
        save_result(folder / "results" / SUITE_RESULT, result)
        # The page shows results of this and of earlier runs, and how the suite itself went.
        files = [step.result for step in steps if step.result is not None]
        files = [*(file for file in files if file.is_file()), folder / "results" / SUITE_RESULT]
        entries, unreadable = collect(files)
        write_report(entries, unreadable, folder / "index.html", folder / "summary.md")
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    except (OcrError, OSError) as error:
        print(f"benchmarks.suite: {error}", file=sys.stderr)
        return 2
    for outcome in outcomes:
        state = "ok" if outcome.is_good else "not here" if outcome.is_absent else "FAILED"
        print(
            f"{outcome.name:22} {state:9} {outcome.seconds:6.1f} s  {outcome.reason or ''}".rstrip()
        )
    print(f"{folder / 'index.html'}: {len(entries) - 1} results")
    failed = unreadable or any(
        not outcome.is_good and not outcome.is_absent for outcome in outcomes
    )
    return int(bool(failed))


def _require_inputs(wanted: Wanted) -> None:
    for flag, path in (("--data", wanted.data), ("--paddleocr", wanted.paddleocr)):
        if path is not None and not path.is_dir():
            raise OcrError(f"{flag}: expected a folder, got {path}; check the path")
    if wanted.model is not None and not wanted.model.is_file():
        raise OcrError(f"--model: expected a file, got {wanted.model}; check the path")


if __name__ == "__main__":
    sys.exit(main())
