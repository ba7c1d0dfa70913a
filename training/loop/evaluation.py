"""Evaluates a model the way it will be served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import paddle
from tqdm import tqdm

from runtime.errors import DatasetError
from training.data.build import DataPart
from training.data.loader import Loader
from training.data.planned import PlannedBatch
from training.data.sample import Failure, Sample
from training.data.unreadable import Unreadable
from training.run import Run
from training.task import Batch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """Outcome of an evaluation.

    Args:
        figures: every network's metric; the main network's carry no prefix.
        num_samples: evaluated.
        failures: samples that could not be loaded.
    """

    figures: dict[str, float]
    num_samples: int
    failures: tuple[Failure, ...]


def evaluate(
    run: Run,
    part: DataPart,
    loader: Loader,
    take: Callable[[Any, Batch], None] = lambda decoded, batch: None,
) -> Evaluation:
    """Evaluate every sample of `part` with every network.

    Args:
        run: the model and its metric.
        part: the evaluation data.
        loader: of `part.dataset`.
        take: is given every batch too, decoded as `Task.score` returns it.

    Raises:
        DatasetError: if not one sample can be loaded, or too many cannot.
    """
    batch_size = part.plan.loader.batch_size_per_card
    indices = part.dataset.indices(0)
    starts = range(0, len(indices), batch_size)
    chunks = [PlannedBatch(tuple(indices[start : start + batch_size])) for start in starts]
    failures: list[Failure] = []

    def samples() -> Iterator[Sample]:
        for loaded in loader.load(chunks, 0):
            for sample in loaded:
                if isinstance(sample, Failure):
                    failures.append(sample)
                else:
                    yield sample

    run.model.eval()
    run.metric.reset()
    num_samples = 0
    bar = tqdm(total=len(indices), desc="evaluating", leave=False, delay=2, disable=None)
    try:
        with paddle.no_grad(), bar:
            for batch in part.batching.evaluation_batches(samples()):
                outputs = batch.beside(run.model(paddle.to_tensor(batch.arrays["image"])))
                take(run.task.score(run, outputs, batch), batch)
                num_samples += len(batch.names)
                bar.update(len(batch.names))
    finally:
        run.model.train()
    if not num_samples:
        raise DatasetError(
            f"no sample of {len(failures)} could be evaluated, e.g. {failures[0]}"
            if failures
            else "nothing to evaluate: expected samples, got none; check Eval.dataset"
        )
    unreadable = Unreadable()
    for failure in failures:
        unreadable.add(failure)
    share = run.settings.max_unreadable_share
    # The samples that could be read are scored; too many failures would make that misleading.
    unreadable.refuse_above(share, len(indices), "evaluation")
    if failures:
        log.warning("evaluation: %s; they count in no figure", unreadable.describe(len(indices)))
    return Evaluation(run.metric.get_metric(), num_samples, tuple(failures))
