"""Writes a run's figures: `metrics.jsonl`, and VisualDL or TensorBoard where available."""

from __future__ import annotations

import importlib
import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime.errors import ArtifactError
from runtime.files import write_atomically

METRICS_FILE = "metrics.jsonl"
log = logging.getLogger(__name__)


class MetricLog:
    """Appends one JSON object a line: `{"kind": "train" | "eval", "step": …, …}`.

    Args:
        folder: where `metrics.jsonl` is.
        resumed_step: records after this step come from a run that was cut off and is now
            repeated; they are removed. 0 starts afresh.
        use_visualdl: also write for VisualDL.

    Raises:
        ArtifactError: if the disk refuses.
    """

    def __init__(self, folder: Path, resumed_step: int, use_visualdl: bool = False) -> None:
        self.path = folder / METRICS_FILE
        records = read_metrics(self.path)  # also when none is kept: it warns of damaged lines
        kept = [record for record in records if record["step"] <= resumed_step]
        text = "".join(json.dumps(record) + "\n" for record in (kept if resumed_step else []))
        with self._disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, text.encode())
            self._file = self.path.open("ab", buffering=0)
        self._writers = _summary_writers(folder, use_visualdl)

    def write(self, kind: str, step: int, figures: Mapping[str, Any]) -> None:
        """Append a record.

        Raises:
            ArtifactError: if the disk refuses; a part of a line is dropped when the run resumes.
        """
        with self._disk_errors():
            line = (json.dumps({"kind": kind, "step": step, **figures}) + "\n").encode()
            while line:  # on a disk that is nearly full a part fits
                line = line[self._file.write(line) :]
        for writer in self._writers:
            for name, value in figures.items():
                if isinstance(value, int | float):
                    writer.add_scalar(f"{kind}/{name}", value, step)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Turn an `OSError` into an `ArtifactError` that says how to go on."""
        try:
            yield
        except OSError as error:
            raise ArtifactError(
                f"cannot write {self.path}: {error.strerror or error}; the checkpoints saved "
                "before are whole: make room, then resume with Global.checkpoints"
            ) from error

    def close(self) -> None:
        """Close every file."""
        self._file.close()
        for writer in self._writers:
            writer.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read the records of a `metrics.jsonl`; lines that are cut off or no records are left out."""
    if not path.is_file():
        return []
    records, num_dropped = [], 0
    for line in path.read_bytes().split(b"\n"):
        if not line:
            continue
        try:
            record = json.loads(line)
            is_record = isinstance(record["step"], int) and isinstance(record["kind"], str)
        except (ValueError, KeyError, TypeError, RecursionError):
            is_record = False
        if is_record:
            records.append(record)
        else:
            num_dropped += 1
    if num_dropped:
        log.warning("%s: dropped %d incomplete lines", path, num_dropped)
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
        """Return the mean of each figure."""
        return {name: sum(values) / len(values) for name, values in self._values.items()}
