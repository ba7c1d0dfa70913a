"""What a model or an engine says of itself, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from export.contract import contract_of_plan, opened
from export.conversion.onnx_file import load_model
from runtime.engines import ENGINE_SUFFIXES
from runtime.fields import in_one_line
from runtime.files import sha256_of_file
from runtime.spec import ModelSpec

_LABEL_WIDTH = 20
_NUM_OPERATORS = 12


def described(path: Path, dictionary: Path | None = None) -> str:
    """Describe an ONNX file or an engine; an engine is not loaded, its sidecar is read.

    Args:
        path: the file.
        dictionary: for a model that carries no characters.

    Raises:
        ArtifactError, EngineError: if it cannot be opened.
    """
    return _table(path, _rows(path, dictionary))


def facts_of(path: Path, dictionary: Path | None = None) -> dict[str, Any]:
    """Return what `described` tells, by name, and the file under `file`."""
    return {"file": str(path), **dict(_rows(path, dictionary))}


def _rows(path: Path, dictionary: Path | None) -> Iterator[tuple[str, Any]]:
    is_engine = path.suffix.lower() in ENGINE_SUFFIXES
    return _engine_rows(path) if is_engine else _onnx_rows(path, dictionary)


def _onnx_rows(path: Path, dictionary: Path | None) -> Iterator[tuple[str, Any]]:
    model = load_model(path)
    spec, difference = opened(path, dictionary)
    is_own = any(entry.key == spec.key for entry in model.metadata_props)
    yield "described by", "its own spec" if is_own else "what can be told from outside"
    if difference:
        yield "network as it is", f"{difference}; see export adopt"
    yield from _spec_rows(spec)
    yield "sha256", sha256_of_file(path)
    yield "size", f"{path.stat().st_size / 1e6:.2f} MB"
    opsets = ", ".join(
        f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import
    )
    yield "opset", f"{opsets}; IR version {model.ir_version}"
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        shape = ", ".join(
            str(dimension.dim_value or dimension.dim_param or "?") for dimension in dimensions
        )
        yield value.name, f"[{shape}]"
    operators = Counter(node.op_type for node in model.graph.node).most_common()
    listed = ", ".join(f"{name} {count}" for name, count in operators[:_NUM_OPERATORS])
    more = " …" if len(operators) > _NUM_OPERATORS else ""
    yield "nodes", f"{len(model.graph.node)}: {listed}{more}"


def _engine_rows(path: Path) -> Iterator[tuple[str, Any]]:
    from runtime.engines.sidecar import EngineSidecar

    yield from _spec_rows(contract_of_plan(path).spec)
    for name, value in asdict(EngineSidecar.read(path)).items():
        if name != "spec":
            yield name, value


def _spec_rows(spec: ModelSpec) -> Iterator[tuple[str, Any]]:
    for name, value in asdict(spec).items():
        if name == "characters":
            yield name, f"{len(value)}: {''.join(value)}"
        elif name != "provenance":
            yield name, value
    for name, value in spec.provenance.items():
        yield name, value


def _table(path: Path, rows: Iterator[tuple[str, Any]]) -> str:
    lines = [str(path)]
    for name, value in rows:
        if isinstance(value, dict):
            value = ", ".join(f"{key} {entry}" for key, entry in value.items())
        if value not in ("", None, ()):
            lines.append(in_one_line(f"  {name:{_LABEL_WIDTH}} {value}"))
    return "\n".join(lines)
