"""Hashes of what a run was trained on, by which a resumed run finds out what has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.data.build import DataPart
from training.data.planned import PlannedBatch
from training.task import Task

_TEACHER = "the teacher"
_ORDER = "the order of the training samples"
_DATA = {"Train": "the training samples", "Eval": "the evaluation samples"}


def fingerprint_of(
    parts: Mapping[str, DataPart], task: Task, plan: Sequence[PlannedBatch]
) -> dict[str, dict[str, Any]]:
    """Return hashes of everything that decides which samples a run sees, and in which order.

    Args:
        parts: `Train` and `Eval`.
        task: of the run.
        plan: the batches of the first epoch.

    Returns:
        {what: {hash, count}}, plain values for a checkpoint.
    """
    found = {
        _DATA[name]: {"hash": part.report.sha256, "count": len(part.dataset.usable)}
        for name, part in parts.items()
    }
    for part in parts.values():
        for teacher in part.plan.teachers:
            size = Path(teacher.plan.onnx).stat().st_size
            found[f"{_TEACHER} {teacher.plan.name}"] = {"hash": teacher.view, "count": size}
    for what, listed in task.fingerprint.items():
        found[what] = {"hash": _hash(list(listed)), "count": len(listed)}
    found[_ORDER] = {"hash": _hash(list(map(_as_plain, plan))), "count": len(plan)}
    return found


def changes(saved: object, now: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """List what differs between a checkpoint's fingerprint and that of the run that resumes it.

    Args:
        saved: of the checkpoint; what it lacks is not compared.
        now: of the run.

    Returns:
        A line for each difference and its consequences.
    """
    if not isinstance(saved, Mapping):
        return []
    found = []
    for what, new in now.items():
        old = saved.get(what)
        if not isinstance(old, Mapping) or old.get("hash") == new["hash"]:
            continue
        unit = "batches an epoch " if what == _ORDER else ""
        unit = "bytes " if what.startswith(_TEACHER) else unit
        counts = f"{old.get('count')} {unit}then, {new['count']} now"
        change = f"{what} changed since the checkpoint: {counts}"
        if what == _DATA["Eval"]:
            change += "; its best figures were measured on others"
        elif what == _ORDER:
            change += "; the rest of this epoch may repeat some samples and leave others out"
        found.append(change)
    return found


def _as_plain(batch: PlannedBatch) -> list[Any]:
    size = [] if batch.size is None else [[batch.size.height, batch.size.width]]
    return [*batch.indices, *size]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()
