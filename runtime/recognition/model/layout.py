"""Finds the order in which a network emits N, T and K, and converts its output to [N, T, K].

This project's order is [N, T, K] with the blank as class 0. Other exporters emit [T, N, K] or put
the blank last, and no file states it. Two runs of different sizes decide the order; where they do
not, the model is refused.
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
    """The positions of N, T and K in the output, and that of the blank among the classes.

    Args:
        axes: dimensions of the output that are N, T and K.
        is_blank_last: whether class K-1 is the blank, not class 0.
    """

    axes: Axes = (0, 1, 2)
    is_blank_last: bool = False

    @property
    def is_canonical(self) -> bool:
        """Whether the output has this project's order."""
        return self == OutputLayout()

    @property
    def letters(self) -> str:
        """The output's dimensions in their order, `NTK` and the like."""
        return "".join("NTK"[self.axes.index(place)] for place in range(3))

    def canonical(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert an output to [N, T, K] with the blank as class 0; uncopied if it is canonical."""
        if self.is_canonical or output.ndim != 3:
            return output
        ordered = output.transpose(self.axes)
        if self.is_blank_last:
            ordered = np.concatenate([ordered[..., -1:], ordered[..., :-1]], axis=-1)
        return np.ascontiguousarray(ordered)


@dataclass(frozen=True)
class Run:
    """Sizes of a run of the network.

    Args:
        num_lines: N of the input.
        width_px: W of the input.
        output: sizes of the output.
    """

    num_lines: int
    width_px: int
    output: Sizes


def axes_from_runs(runs: tuple[Run, Run], class_counts: Collection[int], where: str) -> Axes:
    """Find N, T and K among the output's dimensions by how their sizes depend on the input.

    N is the size of the batch, T grows with the width, K is constant; where several orders fit, K
    is a number of classes that the list of characters allows.

    Args:
        runs: two runs, of different N and W where the network does not fix these.
        class_counts: K that would fit the characters.
        where: the model, for messages.

    Raises:
        ArtifactError: if no order fits, or several do.
    """
    first = runs[0]
    sizes = list(first.output)
    if all(len(run.output) == 3 for run in runs):
        fitting = [axes for axes in permutations(range(3)) if _fits(axes, runs)]
        fitting = [axes for axes in fitting if _grows(axes, runs)] or fitting
        if len(fitting) > 1:
            counted = [axes for axes in fitting if sizes[axes[2]] in class_counts]
            # If no order fits the list, take the usual one: the list is then refused later.
            fitting = counted or [axes for axes in fitting if axes == (0, 1, 2)] or fitting
        if len({_elements_order(axes, first) for axes in fitting}) == 1:
            num, steps, classes = min(fitting)
            return num, steps, classes
        if fitting:
            raise ArtifactError(
                f"{where}: which dimension of its output is the batch, the time and the classes "
                f"cannot be told: expected [N, T, K], got {sizes} for {first.num_lines} "
                "lines; say it: python -m export adopt "
                f"{where} --output NEW.onnx --layout NTK (or TNK)"
            )
    raise ArtifactError(
        f"{where}: not a CTC recogniser: expected an output [N, T, K] for {first.num_lines} lines "
        f"of {first.width_px} px, got {sizes}; give a text recognition model"
    )


def axes_told(letters: str, runs: tuple[Run, Run], where: str) -> Axes:
    """Return the axes of an order that the user states, `TNK` -> (1, 0, 2), checked by two runs.

    Raises:
        ArtifactError: if the output cannot have this order.
    """
    axes = letters.index("N"), letters.index("T"), letters.index("K")
    if any(len(run.output) != 3 for run in runs) or not _fits(axes, runs):
        raise ArtifactError(
            f"{where}: its output is not [{', '.join(letters)}]: expected {runs[0].num_lines} "
            f"lines there, got {list(runs[0].output)}; give another --layout, or leave it out"
        )
    return axes


def _fits(axes: tuple[int, ...], runs: tuple[Run, Run]) -> bool:
    """Tell whether N is the size of the batch in both runs, and K constant."""
    num, _, classes = axes
    first, second = runs
    return (
        all(run.output[num] == run.num_lines for run in runs)
        and first.output[classes] == second.output[classes]
    )


def _grows(axes: tuple[int, ...], runs: tuple[Run, Run]) -> bool:
    """Tell whether T grows with the width."""
    narrow, wide = sorted(runs, key=lambda run: run.width_px)
    return narrow.output[axes[1]] < wide.output[axes[1]]


def _elements_order(axes: tuple[int, ...], run: Run) -> object:
    """Return what decides the order of the elements; dimensions of size 1 do not."""
    kept = tuple(place for place in axes if run.output[place] != 1)
    return kept, tuple(run.output[place] for place in axes)
