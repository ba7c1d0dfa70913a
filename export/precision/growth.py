"""Lets the set of FP32 nodes grow until the FP16 form reads as FP32 does."""

from __future__ import annotations

import logging
from collections.abc import Set
from dataclasses import replace

from export.precision.agreement import Lines
from export.precision.bisect import guilty_nodes
from export.precision.errors import Errors
from export.precision.report import Agreement, Kept, TextDifference
from export.precision.trials import Trials
from export.proof.forms import Probabilities

log = logging.getLogger("export")

CLEAR_MARGIN = 0.1
"""Where FP32 preferred its class by more than this, as a probability, some node is guilty. Below,
the sum of all roundings turns the reading, and bisecting would pick nodes at random."""
_MOST_LINES = 24


def grow(trials: Trials, kept: dict[str, Kept], lines: Lines) -> Agreement | None:
    """Add nodes to `kept` until text is equal.

    Args:
        trials: what makes the forms, and says when there have been enough.
        kept: nodes kept FP32, extended in place.
        lines: to agree on.

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
        agreement = _compared(trials, candidate, lines, suspects)
        if agreement.is_equal:
            return agreement
        suspects.update(one.line for one in agreement.differences)
        if trials.is_spent:
            log.warning("no FP16 form agrees after %d tries: keeping FP32", trials.num_made)
            return None
        log.info(
            "%d nodes in FP16: %d of %d texts differ, %d values not finite; keeping more in FP32",
            len(half),
            len(agreement.differences),
            agreement.num_lines,
            agreement.num_not_finite,
        )
        is_tied = not agreement.num_not_finite and agreement.most_disputed <= CLEAR_MARGIN
        if is_tied and errors is None:
            log.info(
                "where they differ FP32 preferred its class by %.2g at most: ties, which "
                "--tieTolerance %.2g would accept",
                agreement.most_disputed,
                1.05 * agreement.most_disputed,
            )
        clear = _clear_lines(agreement, lines)
        guilty = guilty_nodes(trials, half, clear) if clear is not None else {}
        if guilty:
            for name, example in guilty.items():
                kept[name] = Kept(name, operators[name], "text", _told(example))
            errors = None
            continue
        wrong = [one.line for one in agreement.differences]
        errors = errors or Errors(trials, half, lines.subset(wrong))
        for name in errors.worst(kept.keys()):
            detail = _told(agreement.differences[0] if agreement.differences else None)
            kept[name] = Kept(name, operators[name], "error", f"its rounding adds to: {detail}")


def _compared(
    trials: Trials, candidate: Probabilities, lines: Lines, suspects: Set[int]
) -> Agreement:
    """The agreement on the lines read wrongly before, or on all once those are right."""
    numbers = sorted(suspects)
    if numbers:
        few = trials.compare(candidate, lines.subset(numbers))
        if not few.is_equal:
            told = tuple(replace(one, line=numbers[one.line]) for one in few.differences)
            return replace(few, differences=told)
    return trials.compare(candidate, lines)


def _clear_lines(agreement: Agreement, lines: Lines) -> Lines | None:
    """The lines whose other reading is no accident of rounding, None if there are none."""
    if agreement.num_not_finite and not agreement.differences:
        return lines
    numbers = [one.line for one in agreement.differences if not one.margin <= CLEAR_MARGIN]
    return lines.subset(numbers[:_MOST_LINES]) if numbers else None


def _told(example: TextDifference | None) -> str:
    if example is None:
        return "values that are not finite"
    return f"line {example.line}: {example.got!r} instead of {example.expected!r}"
