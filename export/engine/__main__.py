"""The side of `child` that works in a process of its own.

    python -m export.engine FOLDER

FOLDER holds `graph.onnx` and `job.json`; `plan.bin` and `result.json` are put beside them.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from export.engine.build import build_plan
from export.engine.options import BuildOptions
from runtime.engines.tensorrt.library import load_tensorrt
from runtime.engines.tensors import range_from_json
from runtime.errors import OcrError
from runtime.standard_streams import open_standard_streams


def main(folder: str) -> int:
    """Build what FOLDER asks for; returns the exit status."""
    open_standard_streams()
    job = Path(folder)
    entries = json.loads((job / "job.json").read_text(encoding="utf-8"))
    options = BuildOptions.from_json(entries["options"])
    _log_to(job / "log.txt", options.is_verbose)
    profiles = [
        {name: range_from_json(shapes) for name, shapes in profile.items()}
        for profile in entries["profiles"]
    ]
    try:
        built = build_plan(
            load_tensorrt(options.backend),
            (job / "graph.onnx").read_bytes(),
            entries["name"],
            profiles,
            options,
        )
    except OcrError as error:
        told = json.dumps({"error": str(error)})
        (job / "result.json").write_text(told, encoding="utf-8")
        return 2
    (job / "plan.bin").write_bytes(built.plan)
    facts = asdict(built)
    del facts["plan"]
    (job / "result.json").write_text(json.dumps(facts), encoding="utf-8")
    return 0


def _log_to(path: Path, is_verbose: bool) -> None:
    """Everything into a file, which tells the last words; warnings, or all, to the terminal."""
    logging.getLogger().setLevel(logging.DEBUG)
    file = logging.FileHandler(path, encoding="utf-8")
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.DEBUG if is_verbose else logging.INFO)
    for handler in (file, terminal):
        handler.setFormatter(logging.Formatter("%(message)s"))
        logging.getLogger().addHandler(handler)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
