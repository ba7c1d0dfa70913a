"""What one network of a checkpoint reads: exact matches and edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from benchmarks.distillation.arms import reading_sections
from training.config import Config


@dataclass(frozen=True)
class Reading:
    """How a set of lines was read; case and spaces count.

    Args:
        lines: how many.
        exact: of them, read without a mistake.
        edits: characters inserted, left out or replaced.
        characters: of the labels.
    """

    lines: int
    exact: int
    edits: int
    characters: int

    @property
    def accuracy(self) -> float:
        """Share of lines read exactly."""
        return self.exact / self.lines

    @property
    def character_error_rate(self) -> float:
        """Edits per character of the labels."""
        return self.edits / self.characters

    @classmethod
    def of(cls, pairs: list[tuple[str, str]]) -> Reading:
        """From (reading, label) of each line."""
        return cls(
            lines=len(pairs),
            exact=sum(text == label for text, label in pairs),
            edits=sum(Levenshtein.distance(text, label) for text, label in pairs),
            characters=sum(len(label) for _, label in pairs),
        )


class _Recorder:
    """In the place of a metric: keeps what was read beside what was written."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.pairs: list[tuple[str, str]] = []

    def reset(self) -> None:
        self.pairs = []

    def __call__(self, decoded: Mapping[str, Any], batch: Any = None) -> None:
        readings, labels = decoded[self.network]
        self.pairs += [(one[0], other[0]) for one, other in zip(readings, labels, strict=True)]

    def get_metric(self) -> dict[str, float]:
        return {}


def read_lines(
    network: str, weights: Path, folder: Path, data_sets: Mapping[str, Mapping[str, Any]]
) -> dict[str, Reading]:
    """Read sets of lines with one network alone, each line at its own width.

    Args:
        network: its name.
        weights: checkpoint that holds it.
        folder: for logs.
        data_sets: `Eval.dataset` of each set by name.

    Raises:
        OcrError: if weights or lines cannot be used.
    """
    from training.data.loader import Loader
    from training.loop.evaluation import evaluate
    from training.run import build_run

    readings = {}
    for name, data_set in data_sets.items():
        sections = reading_sections(network, weights, folder, data_set)
        # Training lines are not needed, but a config names some.
        sections["Train"] = sections["Eval"]
        run = build_run(Config(None, sections))
        recorder = _Recorder(network)
        part = run.data("Eval")
        with Loader(part.dataset, part.num_workers) as loader:
            evaluate(replace(run, metric=recorder), part, loader)
        readings[name] = Reading.of(recorder.pairs)
    return readings
