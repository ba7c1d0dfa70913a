"""Evaluates a model the way it will be served: width from the image, equal widths together."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import paddle

from runtime.batching import batches_by_width
from runtime.errors import DatasetError
from runtime.recognition.preprocess import batch_from_lines
from training.data.build import DataPart
from training.data.loader import Loader
from training.data.sample import Failure, Sample
from training.data.unreadable import Unreadable
from training.recognition.batches import padded_labels
from training.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """Outcome of an evaluation.

    Args:
        figures: every network's metric; the main network's carry no prefix.
        num_lines: lines read.
        failures: lines that could not be loaded.
    """

    figures: dict[str, float]
    num_lines: int
    failures: tuple[Failure, ...]


def evaluate(run: Run, part: DataPart, loader: Loader) -> Evaluation:
    """Read every line of `part` with every network.

    Args:
        run: the model and its metric.
        part: the evaluation data.
        loader: of `part.dataset`.

    Raises:
        DatasetError: if not one line can be loaded, or too many cannot.
    """
    batch_size = part.options.batch_size_per_card
    indices = part.dataset.indices(0)
    chunks = [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
    failures: list[Failure] = []

    def lines() -> Iterator[tuple[int, Sample]]:
        for loaded in loader.load(chunks, 0):
            for sample in loaded:
                if isinstance(sample, Failure):
                    failures.append(sample)
                else:
                    yield part.width_policy.input_width(sample.image.shape[1]), sample

    run.model.eval()
    run.metric.reset()
    num_lines = 0
    try:
        with paddle.no_grad():
            for batch in batches_by_width(lines(), batch_size):
                images = batch_from_lines([sample.image for sample in batch.lines], batch.width)
                outputs = run.model(paddle.to_tensor(images))
                run.metric(run.post_process(outputs, padded_labels(batch.lines)))  # type: ignore[arg-type]
                num_lines += len(batch.lines)
    finally:
        run.model.train()
    if not num_lines:
        raise DatasetError(
            f"no line of {len(failures)} could be evaluated, e.g. {failures[0]}"
            if failures
            else "nothing to evaluate: expected lines, got none; check Eval.dataset"
        )
    unreadable = Unreadable()
    for failure in failures:
        unreadable.add(failure)
    share = run.settings.max_unreadable_share
    unreadable.refuse_above(share, len(indices), "evaluation")
    if failures:
        log.warning("evaluation: %s; they count in no figure", unreadable.told(len(indices)))
    return Evaluation(run.metric.get_metric(), num_lines, tuple(failures))
