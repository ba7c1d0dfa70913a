"""A tiny run of a Student taught by an ONNX file that reads coloured blocks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from tests.fakes.foreign_model import STRIDE_PX, write_foreign_model

CHARACTERS = "nmcdefghijkzab"
"""Of the teacher; the run has those from a to l."""
WriteConfig = Callable[..., Path]
PAIRS: dict[str, Any] = {
    "weight": 1.0,
    "model_name_pairs": [["Student", "Teacher"]],
    "key": "head_out",
}
LEARNS = {"weight": 1.0, "model_name_list": ["Student"], "key": "head_out"}
DML = {"DistillationDMLLoss": {**PAIRS, "act": "softmax", "use_log": True}}
LOSSES: list[dict[str, Any]] = [
    {"DistillationCTCLoss": LEARNS},
    {"DistillationTeacherCTCLoss": PAIRS},
    {"DistillationSpikeKLLoss": PAIRS},
    {"DistillationGuidedCTCLoss": PAIRS},
    {"DistillationKLDivLoss": PAIRS},
    DML,
]


def write_blocks(folder: Path, count: int = 10) -> Path:
    """Write lines of coloured blocks with labels; return the label file."""
    rng = np.random.default_rng(8)
    rows = []
    for number in range(count):
        blocks = rng.integers(0, 256, (1, int(rng.integers(3, 9)), 3), dtype=np.uint8)
        line = np.repeat(np.repeat(blocks, 32, axis=0), 2 * STRIDE_PX, axis=1)
        cv2.imwrite(str(folder / f"{number}.png"), line)
        rows.append(f"{number}.png\tab{'cdef'[number % 4]}\n")
    file = folder / "labels.txt"
    file.write_text("".join(rows), encoding="utf-8")
    return file


def config_of_taught(
    folder: Path,
    write_config: WriteConfig,
    name: str = "run",
    teacher: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write model, lines and the config of a run; `changes` by dotted path, `__` for a dot.

    Args:
        teacher: further keys of the teacher's section.
    """
    model = folder / "teacher.onnx"
    if not model.exists():
        write_foreign_model(model, metadata={"character": "\n".join(CHARACTERS)})
        write_blocks(folder)
    dataset = {
        "name": "SimpleDataSet",
        "data_dir": str(folder),
        "label_file_list": [str(folder / "labels.txt")],
    }
    section = {
        "onnx": str(model),
        "freeze_params": True,
        "cache_dir": str(folder / "cache"),
        **(teacher or {}),
    }
    made = write_config(name, {})
    sections = yaml.safe_load(made.read_text(encoding="utf-8"))
    sections["Architecture"]["Models"]["Teacher"] = section
    sections["Loss"]["loss_config_list"] = copy.deepcopy(LOSSES)
    sections["PostProcess"]["model_name"] = ["Student"]
    sections["Global"] |= {"eval_batch_step": [0, 2], "log_smooth_window": 1}
    for part in ("Train", "Eval"):
        transforms = sections[part]["dataset"]["transforms"]
        sections[part]["dataset"] = {**dataset, "transforms": transforms}
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: Any = sections
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(last) if isinstance(place, list) else last] = value
    made.write_text(yaml.safe_dump(sections, sort_keys=False), encoding="utf-8")
    return made
