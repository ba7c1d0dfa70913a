"""The page of an evaluation: figures, and the samples with their pictures, in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.files import write_atomically

_MOST_NAMED = 20

if TYPE_CHECKING:
    from training.data.build import DataPart
    from training.loop.evaluation import Evaluation
    from training.run import Run
    from training.task import EvaluationPage


def write_page(
    path: Path,
    page: EvaluationPage,
    run: Run,
    part: DataPart,
    result: Evaluation,
    evaluated: Mapping[str, str],
    *,
    is_short: bool = False,
) -> None:
    """Write what the main network made of each sample of an evaluation.

    Args:
        path: of the HTML file.
        page: what the network made of the samples.
        run: that was evaluated.
        part: the evaluation data.
        result: figures of every network, and what could not be read.
        evaluated: what was evaluated, by its name.
        is_short: show fewer samples.

    Raises:
        OSError: if the disk refuses.
    """
    facts = {
        "config": str(run.plan.config.path),
        **evaluated,
        "network": run.main_name or "the only one",
        "left out": _left_out(part, result),
    }
    networks = run.metric.by_network(result.figures)
    dataset = part.dataset
    text = page.html(facts, networks, dataset.source, dataset.indices(0), is_short)
    write_atomically(path, text.encode(errors="replace"))


def _left_out(part: DataPart, result: Evaluation) -> str:
    """Name what was dropped beforehand, and what could not be read in the evaluation."""
    dropped = [f"{count} {reason}" for reason, count in part.report.as_json()["dropped"].items()]
    failures = [str(failure) for failure in result.failures]
    named = [*dropped, *failures[:_MOST_NAMED]]
    if len(failures) > _MOST_NAMED:
        named.append(f"and {len(failures) - _MOST_NAMED} more")
    return "; ".join(named) or "nothing"
