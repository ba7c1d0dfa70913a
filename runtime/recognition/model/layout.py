"""In which order a network emits N, T and K, and which class is the blank.

This project's order is [N, T, K] with the blank first. Others export [T, N, K] or put the blank
last, and no file says so. What two runs of different size decide is taken from them; what they
leave open is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ArtifactError

Axes = tuple[int, int, int]
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class OutputLayout:
    """Where N, T and K stand in the output, and where the blank stands among the classes.

    Args:
        axes: dimension of the output that is N, that is T, and that is K.
        is_blank_last: whether class K-1 is the blank, not class 0.
    """

    axes: Axes = (0, 1, 2)
    is_blank_last: bool = False

    @property
    def is_canonical(self) -> bool:
        """Whether the output is as this project's networks emit it."""
        return self == OutputLayout()

    @property
    def letters(self) -> str:
        """The output's dimensions in their order, `NTK` and the like."""
        return "".join("NTK"[self.axes.index(place)] for place in range(3))

    def canonical(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """float [N, T, K] with the blank as class 0; `output` itself where it is that already."""
        if self.is_canonical or output.ndim != 3:
            return output
        ordered = output.transpose(self.axes)
        if self.is_blank_last:
            ordered = np.concatenate([ordered[..., -1:], ordered[..., :-1]], axis=-1)
        return np.ascontiguousarray(ordered)


@dataclass(frozen=True)
class Run:
    """Sizes of one run of the network.

    Args:
        num_lines: N of the input.
        width_px: W of the input.
        output: sizes of the output.
    """

    num_lines: int
    width_px: int
    output: Sizes


def axes_from_runs(runs: tuple[Run, Run], class_counts: Collection[int], where: str) -> Axes:
    """Tell N, T and K apart by what the output's sizes follow.

    N is the size of the batch, T grows with the width, K stays; where that leaves several
    readings, K is one of the numbers of classes that the list of characters allows.

    Args:
        runs: two runs, of different N and W where the network leaves these open.
        class_counts: K that would fit the characters.
        where: the model, for messages.

    Raises:
        ArtifactError: if no order fits, or more than one does.
    """
    one, other = runs
    if len(one.output) == 3 == len(other.output):
        fitting = [axes for axes in permutations(range(3)) if _fits(axes, one, other)]
        with_width = [axes for axes in fitting if _grows(axes, one, other)]
        fitting = with_width or fitting
        if len(fitting) > 1:
            counted = [axes for axes in fitting if one.output[axes[2]] in class_counts]
            # With no list that fits, the usual order: the list is then refused by name.
            fitting = counted or [axes for axes in fitting if axes == (0, 1, 2)] or fitting
        if len({_seen(axes, one) for axes in fitting}) == 1:
            num, steps, classes = min(fitting)
            return num, steps, classes
        if fitting:
            raise ArtifactError(
                f"{where}: which dimension of its output is the batch, the time and the classes "
                f"cannot be told: expected [N, T, K], got {list(one.output)} for {one.num_lines} "
                "lines; say it: python -m export adopt "
                f"{where} --output NEW.onnx --layout NTK (or TNK)"
            )
    raise ArtifactError(
        f"{where}: not a CTC recogniser: expected an output [N, T, K] for {one.num_lines} lines "
        f"of {one.width_px} px, got {list(one.output)}; give a text recognition model"
    )


def axes_told(letters: str, runs: tuple[Run, Run], where: str) -> Axes:
    """Axes of an order that a person tells, `TNK` -> (1, 0, 2), held against two runs.

    Raises:
        ArtifactError: if the output has no such order.
    """
    axes = letters.index("N"), letters.index("T"), letters.index("K")
    one, other = runs
    if not len(one.output) == 3 == len(other.output) or not _fits(axes, one, other):
        raise ArtifactError(
            f"{where}: its output is not [{', '.join(letters)}]: expected {one.num_lines} lines "
            f"there, got {list(one.output)}; give another --layout, or leave it out"
        )
    return axes


def _fits(axes: tuple[int, ...], one: Run, other: Run) -> bool:
    num, _, classes = axes
    return (
        one.output[num] == one.num_lines
        and other.output[num] == other.num_lines
        and one.output[classes] == other.output[classes]
    )


def _grows(axes: tuple[int, ...], one: Run, other: Run) -> bool:
    narrow, wide = sorted((one, other), key=lambda run: run.width_px)
    return narrow.output[axes[1]] < wide.output[axes[1]]


def _seen(axes: tuple[int, ...], run: Run) -> object:
    """What an order makes of one line: orders that differ in dimensions of 1 alone are the same."""
    kept = tuple(place for place in axes if run.output[place] != 1)
    return kept, tuple(run.output[place] for place in axes)
