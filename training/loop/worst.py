"""The page of a run's worst samples, of an evaluation that was made anyway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.loop.page_file import write_page

if TYPE_CHECKING:
    from training.data.build import DataPart
    from training.loop.evaluation import Evaluation
    from training.run import Run
    from training.task import Batch, EvaluationPage

WORST_FILE = "worst.html"


class WorstSamples:
    """Keeps what the main network made of each sample in the best evaluation, else in the last.

    Args:
        run: that is evaluated.
        is_wanted: whether there is a page at all.
    """

    def __init__(self, run: Run, is_wanted: bool) -> None:
        self._run, self._is_wanted = run, is_wanted and run.settings.worst_lines
        self._page: EvaluationPage | None = None
        self._kept: tuple[EvaluationPage, Evaluation, str] | None = None
        self._has_best = False

    def takers(self) -> Sequence[Callable[[Any, Batch], None]]:
        """Return what the next evaluation gives its batches to, beside its figures."""
        self._page = self._run.task.page(self._run) if self._is_wanted else None
        return [] if self._page is None else [self._page.take]

    def keep(self, result: Evaluation, step: int, is_best: bool) -> None:
        """Keep the evaluation that has just ended, unless a better one is kept."""
        if self._page is not None and (is_best or not self._has_best):
            named = f"step {step}, {'the best so far' if is_best else 'not the best of the run'}"
            self._kept, self._has_best = (self._page, result, named), is_best
        self._page = None

    def write(self, folder: Path, part: DataPart) -> Path | None:
        """Write the page into a run's folder; None where nothing was kept.

        Args:
            folder: of the run.
            part: the evaluation data.

        Raises:
            OSError: if the disk refuses.
        """
        if self._kept is None:
            return None
        page, result, evaluated = self._kept
        path = folder / WORST_FILE
        write_page(path, page, self._run, part, result, {"evaluated": evaluated}, is_short=True)
        return path
