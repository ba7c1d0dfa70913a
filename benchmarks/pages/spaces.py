"""Lines before and after lost spaces are put back: words, spaces, and what it takes.

    python -m benchmarks.pages.spaces --labels PACKS/*/val.tsv [--models FILE …] [--output FILE]

Spaces are counted in the lines whose other characters are right, case aside. Exit status: 0
measured, 2 not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.measuring.command import command_parser, require_files, run_command
from benchmarks.measuring.comparison import aligned
from benchmarks.measuring.lines import LabelledLine, find_lines
from benchmarks.measuring.result import (
    Measure,
    Result,
    measure,
    named_file,
    surroundings,
)
from benchmarks.throughput.contenders import bundled_model
from runtime.images.read import read_image
from runtime.pages.spaces import with_spaces
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.scores import without_case_and_spaces
from training.detection.metrics import Counts

_LATIN = Path("models/latin/student.onnx")


@dataclass
class SpaceScores:
    """Counts lines.

    Args:
        words: of all lines, those of a line as often as they stand in it.
        spaces: of the lines whose other characters are right.
        exact: lines that are right.
    """

    words: Counts = field(default_factory=Counts)
    spaces: Counts = field(default_factory=Counts)
    exact: int = 0

    def add(self, text: str, label: str) -> None:
        """Count a line."""
        self.exact += text == label
        self.words += _shared(Counter(label.split()), Counter(text.split()))
        if without_case_and_spaces(text) == without_case_and_spaces(label):
            self.spaces += _shared(Counter(spaces_in(label)), Counter(spaces_in(text)))


def _shared(wanted: Counter[Any], found: Counter[Any]) -> Counts:
    return Counts(wanted.total(), found.total(), (wanted & found).total())


def spaces_in(text: str) -> list[int]:
    """Return how many other characters stand before each space of a text."""
    return [sum(map(len, text.split()[: number + 1])) for number in range(len(text.split()) - 1)]


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.pages.spaces", __doc__)
    add = parser.add_argument
    add("--labels", type=Path, nargs="+", required=True, help="label files of lines")
    add("--count", type=int, default=10_000, help="lines of each; default: %(default)s")
    add("--models", type=Path, nargs="+", help="RapidOCR's own and models/latin by default")
    add("--threads", type=int, default=1, help="default: %(default)s")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_command(options_parser(), measured, arguments)


def measured(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Measure, print the table, and return everything.

    Raises:
        OcrError: if there is no model or no line.
    """
    around = surroundings()
    models = options.models or [bundled_model("rapidocr"), _LATIN]
    require_files(*models)
    packs = {
        f"{labels.parent.name}/{labels.name}": find_lines(labels, options.count)
        for labels in options.labels
    }
    rows = [["", "lines", "words", "exact", "space F1", "changed", "ms a line"]]
    measures: list[Measure] = []
    for model in models:
        with Recognizer(model, device="cpu", threads=options.threads) as recognizer:
            for name, lines in packs.items():
                row, found = _of_pack(f"{model.name} / {name}", lines, recognizer)
                rows.append(row)
                measures += found
    print("\n".join(aligned(rows)))
    return Result(
        benchmark="spaces",
        title="Lost spaces put back",
        command=("python", "-m", "benchmarks.pages.spaces", *command),
        inputs={
            "models": [named_file(model) for model in models],
            "lines": {
                f"{labels.parent.name}/{labels.name}": named_file(labels)
                for labels in options.labels
            },
        },
        settings={"threads": options.threads},
        measures=tuple(measures),
        **around,
    )


def _of_pack(
    name: str, lines: Sequence[LabelledLine], recognizer: Recognizer
) -> tuple[list[str], list[Measure]]:
    """Return a row of the table, and the figures."""
    before, after = SpaceScores(), SpaceScores()
    spent_s, num_changed = 0.0, 0
    paths = [line.path for line in lines]
    for line, reading in zip(lines, recognizer(paths), strict=True):
        gray = np.asarray(cv2.cvtColor(read_image(line.path), cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        begin = time.thread_time()
        spaced = with_spaces(reading, gray)
        spent_s += time.thread_time() - begin
        num_changed += spaced is not reading
        before.add(reading.text, line.text or "")
        after.add(spaced.text, line.text or "")
    ms = 1000 * spent_s / len(lines)
    row = [name, str(len(lines))]
    row.append(f"{before.words.matches} -> {after.words.matches} of {after.words.truths}")
    row.append(f"{before.exact} -> {after.exact}")
    f1 = [scores.spaces.figures()["hmean"] for scores in (before, after)]
    row += [f"{f1[0]:.4f} -> {f1[1]:.4f}", str(num_changed), f"{ms:.3f}"]
    return row, list(_measures(name, before, after, ms))


def _measures(name: str, before: SpaceScores, after: SpaceScores, ms: float) -> Iterator[Measure]:
    for when, scores in (("before", before), ("after", after)):
        group = f"{when} / {name}"
        for title, counts in (("words", scores.words), ("spaces", scores.spaces)):
            yield measure(f"{group} / {title} right", title, "higher", [counts.matches], True)
            f1 = counts.figures()["hmean"]
            yield measure(f"{group} / {title} F1", "share", "higher", [f1], True)
        yield measure(f"{group} / exact lines", "lines", "higher", [scores.exact], True)
    yield measure(f"after / {name} / time a line", "ms", "lower", [ms])


if __name__ == "__main__":
    sys.exit(main())
