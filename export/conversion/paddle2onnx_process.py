"""Runs paddle2onnx in a process of its own, so that its crash is an error message.

    python -P paddle2onnx_process.py MODEL PARAMS TARGET OPSET

Imports nothing of this project: it is started by its path.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_DOUBLE, _FLOAT = "0.a_f64", "0.a_f32"


def main(model: str, params: str, target: str, opset: str) -> None:
    """Convert one inference program.

    Args:
        model: `inference.json` or `.pdmodel`.
        params: `.pdiparams`.
        target: where the ONNX file goes.
        opset: as a number.
    """
    import paddle2onnx

    paddle2onnx.export(
        _readable(Path(model), Path(target).parent),
        params,
        target,
        opset_version=int(opset),
        auto_upgrade_opset=False,
        enable_optimize=False,
    )


def _readable(model: Path, folder: Path) -> str:
    """Return a program that paddle2onnx reads, in `folder` where it had to be changed.

    Paddle 3.3 writes the factors by which images are enlarged in FP64, of which paddle2onnx 2.1
    knows no list; 2.0 is the same number in FP32.
    """
    if model.suffix != ".json":
        return str(model)
    program = json.loads(model.read_text("utf-8"))
    factors = [factor for operation in _operations(program) for factor in _factors(operation)]
    if not factors:
        return str(model)
    for factor in factors:
        factor["#"] = _FLOAT
    changed = folder / model.name
    changed.write_text(json.dumps(program), "utf-8")
    return str(changed)


def _operations(entry: Any) -> Iterator[dict[str, Any]]:
    """Yield every operation that enlarges images, wherever it stands."""
    if isinstance(entry, dict):
        if str(entry.get("#", "")).endswith("_interp"):
            yield entry
        entry = list(entry.values())
    if isinstance(entry, list):
        for part in entry:
            yield from _operations(part)


def _factors(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the FP64 factors of an operation."""
    for attribute in operation.get("A", ()):
        if attribute.get("N") == "scale":
            factors = attribute["AT"].get("D", ())
            yield from (factor for factor in factors if factor.get("#") == _DOUBLE)


if __name__ == "__main__":
    main(*sys.argv[1:])
