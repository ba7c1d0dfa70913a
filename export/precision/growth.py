"""Lets the set of FP32 nodes grow until the FP16 form reads as FP32 does."""

from __future__ import annotations

import logging
from collections.abc import Set
from dataclasses import replace

from export.precision.bisect import guilty_nodes
from export.precision.errors import Errors
from export.precision.report import Kept
from export.precision.trials import Trials
from export.proof.compare import Agreement, ComparedSample
from export.proof.forms import ScoreForm
from export.proof.samples import Samples

log = logging.getLogger("export")

CLEAR_MARGIN = 0.1
"""Where FP32 preferred its class by more than this, as a probability, some node is guilty. Below,
the sum of all roundings turns the reading, and bisecting would pick nodes at random."""
_MOST_SAMPLES = 24


def grow(trials: Trials, kept: dict[str, Kept], samples: Samples) -> Agreement | None:
    """Add nodes to `kept` until everything reads the same.

    Args:
        trials: what makes the forms, and says when there have been enough.
        kept: nodes kept FP32, extended in place.
        samples: to agree on.

    Returns:
        The agreement reached, None if FP32 alone agrees.
    """
    operators = {node.name: node.op_type for node in trials.source.nodes}
    errors: Errors | None = None
    suspects: set[int] = set()
    while True:
        half = [name for name in trials.names if name not in kept]
        if not half:
            return None
        candidate = trials.candidate(kept.keys())
        agreement = _compare(trials, candidate, samples, suspects)
        if agreement.is_equal:
            return agreement
        suspects.update(sample.position for sample in agreement.differences)
        if trials.is_spent:
            log.warning("no FP16 form agrees after %d tries: keeping FP32", trials.num_made)
            return None
        log.info(
            "%d nodes in FP16: %d of %d images differ, %d values not finite; keeping more in FP32",
            len(half),
            len(agreement.differences),
            agreement.num_samples,
            agreement.num_not_finite,
        )
        # A clear difference has a guilty node, which bisecting finds. Where there is none, the sum
        # of all roundings turns a near tie; then the nodes with the largest errors are kept.
        is_tied = not agreement.num_not_finite and agreement.most_disputed <= CLEAR_MARGIN
        if is_tied and errors is None:
            log.info(
                "where they differ FP32 preferred its class by %.2g at most: ties, which "
                "--tieTolerance %.2g would accept",
                agreement.most_disputed,
                1.05 * agreement.most_disputed,
            )
        clear = _clear_samples(agreement, samples)
        guilty = guilty_nodes(trials, half, clear) if clear is not None else {}
        if guilty:
            for name, example in guilty.items():
                kept[name] = Kept(name, operators[name], "text", _describe(example))
            errors = None
            continue
        wrong = [sample.position for sample in agreement.differences]
        errors = errors or Errors(trials, half, samples.subset(wrong))
        for name in errors.worst(kept.keys()):
            detail = _describe(agreement.differences[0] if agreement.differences else None)
            kept[name] = Kept(name, operators[name], "error", f"its rounding adds to: {detail}")


def _compare(
    trials: Trials, candidate: ScoreForm, samples: Samples, suspects: Set[int]
) -> Agreement:
    """Compare the samples read wrongly before, or all once those are right."""
    numbers = sorted(suspects)
    if numbers:
        few = trials.compare(candidate, samples.subset(numbers))
        if not few.is_equal:
            renumbered = tuple(
                replace(sample, position=numbers[sample.position]) for sample in few.samples
            )
            return replace(few, samples=renumbered)
    return trials.compare(candidate, samples)


def _clear_samples(agreement: Agreement, samples: Samples) -> Samples | None:
    """Take the samples whose other reading is no accident of rounding, None if there are none."""
    if agreement.num_not_finite and not agreement.differences:
        return samples
    numbers = [
        sample.position for sample in agreement.differences if not sample.margin <= CLEAR_MARGIN
    ]
    return samples.subset(numbers[:_MOST_SAMPLES]) if numbers else None


def _describe(example: ComparedSample | None) -> str:
    if example is None:
        return "values that are not finite"
    return f"image {example.position}: {example.got!r} instead of {example.expected!r}"
