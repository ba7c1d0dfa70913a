"""Where a run's figures go: `metrics.jsonl`, and VisualDL or TensorBoard if asked and there."""

from __future__ import annotations

import importlib
import json
import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.files import write_atomically

METRICS_FILE = "metrics.jsonl"
log = logging.getLogger(__name__)


class MetricLog:
    """Appends one JSON object a line: `{"kind": "train" | "eval", "step": …, …}`.

    Args:
        folder: where `metrics.jsonl` is.
        resumed_step: records after this step come from a run that was cut off and is now
            repeated; they are removed. 0 starts afresh.
        use_visualdl: also write for VisualDL.
    """

    def __init__(self, folder: Path, resumed_step: int, use_visualdl: bool = False) -> None:
        self.path = folder / METRICS_FILE
        folder.mkdir(parents=True, exist_ok=True)
        kept = [one for one in read_metrics(self.path) if one["step"] <= resumed_step]
        text = "".join(json.dumps(one) + "\n" for one in (kept if resumed_step else []))
        write_atomically(self.path, text.encode())
        self._file = self.path.open("a", encoding="utf-8")
        self._writers = _summary_writers(folder, use_visualdl)

    def write(self, kind: str, step: int, figures: Mapping[str, Any]) -> None:
        """Append one record."""
        self._file.write(json.dumps({"kind": kind, "step": step, **figures}) + "\n")
        self._file.flush()
        for writer in self._writers:
            for name, value in figures.items():
                if isinstance(value, int | float):
                    writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Close every file."""
        self._file.close()
        for writer in self._writers:
            writer.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Records of a `metrics.jsonl`; a last line that was cut off is left out."""
    if not path.is_file():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            log.warning("%s: dropped an incomplete line", path)
    return records


def _summary_writers(folder: Path, use_visualdl: bool) -> list[Any]:
    writers = []
    wanted = [("tensorboardX", "SummaryWriter", "tensorboard")]
    if use_visualdl:
        wanted.append(("visualdl", "LogWriter", "visualdl"))
    for module, name, subfolder in wanted:
        try:
            writer = getattr(importlib.import_module(module), name)
        except ImportError:
            if module == "visualdl":
                log.warning(
                    "use_visualdl is true but visualdl is not installed: pip install visualdl"
                )
            continue
        writers.append(writer(str(folder / subfolder)))
    return writers


class RunningMean:
    """Mean of each figure over the last `window` values."""

    def __init__(self, window: int) -> None:
        self._window = max(1, window)
        self._values: dict[str, deque[float]] = {}

    def add(self, figures: Mapping[str, float]) -> None:
        """Take one step's figures."""
        for name, value in figures.items():
            self._values.setdefault(name, deque(maxlen=self._window)).append(value)

    def means(self) -> dict[str, float]:
        """Mean of each figure."""
        return {name: sum(values) / len(values) for name, values in self._values.items()}
