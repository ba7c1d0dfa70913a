"""What a run was trained on, in a few hashes, so that a resumed run can say what has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.recognition.charset import Charset
from training.data.build import DataPart

_ORDER = "the order of the training lines"
_DATA = {"Train": "the training lines", "Eval": "the evaluation lines"}


def fingerprint_of(
    parts: Mapping[str, DataPart], charset: Charset, plan: Sequence[Sequence[int]]
) -> dict[str, dict[str, Any]]:
    """Hashes of everything that decides which lines a run sees, and in which order.

    Args:
        parts: `Train` and `Eval`.
        charset: K - 1 characters.
        plan: line indices of each batch of the first epoch.

    Returns:
        {what: {hash, lines}}, plain values for a checkpoint.
    """
    found = {
        _DATA[name]: {"hash": part.report.sha256, "lines": len(part.dataset.usable)}
        for name, part in parts.items()
    }
    found["the dictionary"] = {"hash": _hash(charset.characters), "lines": len(charset.characters)}
    found[_ORDER] = {"hash": _hash([list(batch) for batch in plan]), "lines": len(plan)}
    return found


def changes(saved: object, now: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What differs between the fingerprint of a checkpoint and that of the run which resumes it.

    Args:
        saved: of the checkpoint; nothing is said of what it lacks.
        now: of the run.

    Returns:
        A line for each difference, the consequences named.
    """
    if not isinstance(saved, Mapping):
        return []
    found = []
    for what, new in now.items():
        old = saved.get(what)
        if not isinstance(old, Mapping) or old.get("hash") == new["hash"]:
            continue
        unit = {"the dictionary": "characters", _ORDER: "batches an epoch"}.get(what, "lines")
        counts = f"{old.get('lines')} {unit} then, {new['lines']} now"
        told = f"{what} changed since the checkpoint: {counts}"
        if what == _DATA["Eval"]:
            told += "; its best accuracy was measured on other lines"
        elif what == _ORDER:
            told += "; the rest of this epoch may repeat some lines and leave others out"
        found.append(told)
    return found


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()
