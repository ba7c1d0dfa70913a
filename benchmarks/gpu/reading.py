"""A recogniser on a GPU: how fast it reads, how fast it meets a new width, and whether it reads the
same as on the CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime import Recognizer
from runtime.engines.conv_search import SEARCH_VARIABLE


@dataclass(frozen=True)
class Reading:
    """One way to read some lines.

    Args:
        texts: as read.
        first_s: seconds of the first pass, which meets every width anew.
        lines_per_s: of each later pass.
        description: engine and device.
    """

    texts: tuple[str, ...]
    first_s: float
    lines_per_s: tuple[float, ...]
    description: str

    @property
    def total_s(self) -> float:
        """Seconds of all passes."""
        return self.first_s + sum(len(self.texts) / rate for rate in self.lines_per_s)

    def num_equal(self, other: Reading) -> int:
        """Count the lines that both read alike."""
        return sum(text == expected for text, expected in zip(self.texts, other.texts, strict=True))


def read_with(
    model: Path, images: Sequence[str], device: str, passes: int, search: str = ""
) -> Reading:
    """Read all images some times over.

    Args:
        model: an ONNX file or a plan.
        images: their paths.
        device: as `Recognizer` takes it.
        passes: after the first one.
        search: one of `SEARCHES`; the usual when empty.
    """
    with _search(search), Recognizer(model, device=device) as recognizer:
        times: list[float] = []
        texts: tuple[str, ...] = ()
        for _ in range(passes + 1):
            begin = time.perf_counter()
            texts = tuple(result.text for result in recognizer.stream(images))
            times.append(time.perf_counter() - begin)
        rates = tuple(len(images) / seconds for seconds in times[1:])
        return Reading(texts, times[0], rates, recognizer.description)


@contextmanager
def _search(search: str) -> Any:
    before = os.environ.get(SEARCH_VARIABLE)
    if search:
        os.environ[SEARCH_VARIABLE] = search
    try:
        yield
    finally:
        os.environ.pop(SEARCH_VARIABLE, None)
        if before is not None:
            os.environ[SEARCH_VARIABLE] = before
