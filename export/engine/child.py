"""Builds in a process of its own: whatever the native library does, this one goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from export.engine.build import Built
from export.engine.options import BuildOptions
from runtime.engines.cuda import Gpu
from runtime.engines.sidecar_fields import Binding
from runtime.engines.tensors import Profile, range_from_json
from runtime.errors import EngineError

_LAST_WORDS = 600


def build_in_child(
    graph: bytes, name: str, profiles: Sequence[Profile], options: BuildOptions
) -> Built:
    """As `build_plan`, in a process of its own.

    Raises:
        EngineError: with the library's own words, also where it crashed.
    """
    with tempfile.TemporaryDirectory(prefix="distilrec-build-") as folder:
        job = Path(folder)
        (job / "graph.onnx").write_bytes(graph)
        entries = {
            "name": name,
            "profiles": [
                {name: asdict(shapes) for name, shapes in profile.items()} for profile in profiles
            ],
            "options": options.as_json(),
        }
        (job / "job.json").write_text(json.dumps(entries), encoding="utf-8")
        command = [sys.executable, "-m", "export.engine", folder]
        # What the library prints is no result: it goes where progress goes.
        status = subprocess.run(command, stdout=2, check=False).returncode
        result = job / "result.json"
        if not result.is_file():
            log = job / "log.txt"
            said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
            raise EngineError(
                f"the process that built the engine {_death(status)}: expected a plan, got none; "
                f"the library's last words: {' '.join(said[-_LAST_WORDS:].split()) or 'none'}; try "
                "smaller shapes (--maxShapes) or another version of the library"
            )
        return _built(json.loads(result.read_text(encoding="utf-8")), job / "plan.bin")


def _death(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"crashed ({signal.Signals(-status).name})"
    except ValueError:
        return f"was ended by signal {-status}"


def _built(entries: dict[str, object], plan: Path) -> Built:
    """From what the child wrote.

    Raises:
        EngineError: the child's own.
    """
    if "error" in entries:
        raise EngineError(str(entries["error"]))
    facts: dict[str, object] = {**entries}
    given = {name: facts.pop(name) for name in ("profiles", "bindings", "gpu")}
    profiles, bindings, gpu = given["profiles"], given["bindings"], given["gpu"]
    assert isinstance(profiles, list) and isinstance(bindings, list)
    targets = facts.pop("target_compute_capabilities")
    assert isinstance(targets, list)
    return Built(
        plan=plan.read_bytes(),
        profiles=tuple(
            {name: range_from_json(shapes) for name, shapes in profile.items()}
            for profile in profiles
        ),
        bindings=tuple(
            Binding(binding["name"], binding["dtype"], tuple(binding["shape"]), binding["mode"])
            for binding in bindings
        ),
        gpu=Gpu(**gpu) if isinstance(gpu, dict) else None,
        target_compute_capabilities=tuple(targets),
        library=str(facts["library"]),
        library_version=str(facts["library_version"]),
        num_layers=int(str(facts["num_layers"])),
        layer_info=str(facts["layer_info"]),
    )
