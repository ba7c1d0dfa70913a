"""The page of an evaluation: figures, and the samples with their pictures, in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.files import write_atomically

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
    most: int | None = None,
) -> None:
    """Write what the main network made of each sample of an evaluation.

    Args:
        path: of the HTML file.
        page: what the network made of the samples.
        run: that was evaluated.
        part: the evaluation data.
        result: figures of every network, and what could not be read.
        evaluated: what was evaluated, by its name.
        most: samples at most; None for the task's own limit.

    Raises:
        OSError: if the disk refuses.
    """
    facts = {
        "config": str(run.plan.config.path),
        **evaluated,
        "network": run.metric.key if run.plan.model.is_distillation else "the only one",
        "not read": str(len(result.failures)),
    }
    networks = run.metric.by_network(result.figures)
    limit = {} if most is None else {"most": most}
    dataset = part.dataset
    text = page.html(facts, networks, dataset.source, dataset.indices(0), **limit)
    write_atomically(path, text.encode(errors="replace"))
