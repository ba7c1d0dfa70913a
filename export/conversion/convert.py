"""An inference program -> a self-describing ONNX file; paddle itself is not imported."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import onnx

from export.conversion.graph import finish
from export.conversion.onnx_file import load_model
from export.doctor import hint
from runtime.errors import ArtifactError, ConfigError
from runtime.spec import ModelSpec

OPSET = 14
"""Has HardSwish; read by onnxruntime 1.8 and later and by every TensorRT 10."""
LAYER_NORM_OPSET = 17
"""For networks with LayerNorm, which is one operator from here on, read by onnxruntime 1.12 and
later. Before, it is nine: in FP16 their differences and squares are rounded one by one, and
TensorRT runs them as nine layers, where it has one that computes in FP32 inside."""
OPSETS = range(11, 18)
"""What paddle2onnx writes and an onnxruntime with IR version 8 reads."""

_CHILD = Path(__file__).with_name("paddle2onnx_process.py")
_WORDS_KEPT = 500
_TOOLS = ("paddlepaddle", "paddle2onnx", "onnx", "onnxslim", "onnxruntime")


def convert(
    program: Path, spec: ModelSpec, opset: int | None = None, batch_size: int | None = None
) -> onnx.ModelProto:
    """Convert an inference program with paddle2onnx; fold, clean, name, describe.

    Args:
        program: `inference.json` or `inference.pdmodel`, its `.pdiparams` beside it.
        spec: written into the metadata.
        opset: of the ONNX operators; chosen by `opset_for` when None.
        batch_size: N, or None to leave it open.

    Returns:
        The model, its input and output by the spec's names.

    Raises:
        ConfigError: if the opset is not supported.
        ArtifactError: if paddle2onnx or the ONNX checker refuses the program.
    """
    check_opset(opset)
    if opset is None:
        opset = opset_for(program)
    with tempfile.TemporaryDirectory() as folder:
        raw = _paddle2onnx(program, Path(folder) / "raw.onnx", opset)
    return finish(raw, spec, batch_size)


def tool_versions() -> dict[str, str]:
    """Return the versions of the conversion's tools, for the model's provenance."""
    return {tool: version(tool) for tool in _TOOLS}


def opset_for(program: Path) -> int:
    """Return the opset that suits an inference program: the oldest that keeps its layers whole."""
    return LAYER_NORM_OPSET if b"layer_norm" in program.read_bytes() else OPSET


def check_opset(opset: int | None) -> None:
    """Refuse an opset outside `OPSETS`; None leaves the choice.

    Raises:
        ConfigError: naming the range.
    """
    if opset is not None and opset not in OPSETS:
        raise ConfigError(
            f"unsupported opset: expected {OPSETS[0]} to {OPSETS[-1]}, got {opset}; "
            f"leave --opset out for {OPSET}, or {LAYER_NORM_OPSET} with LayerNorm"
        )


def _paddle2onnx(program: Path, target: Path, opset: int) -> onnx.ModelProto:
    params = program.with_suffix(".pdiparams")
    if not params.is_file():
        raise ArtifactError(f"{program}: expected {params.name} beside it, got none; copy both")
    # paddle2onnx runs Polygraphy, which would otherwise pip-install a dependency by itself.
    environment = {**os.environ, "POLYGRAPHY_AUTOINSTALL_DEPS": "0"}
    command = [sys.executable, "-P", str(_CHILD), str(program), str(params), str(target)]
    child = subprocess.run(
        [*command, str(opset)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    said = _last_words(child.stdout)
    if child.returncode:
        raise ArtifactError(
            f"paddle2onnx cannot convert {program}: it {_describe_ending(child.returncode)} and "
            f"said: {said}{hint('convert')}"
        )
    if not target.is_file():
        raise ArtifactError(
            f"paddle2onnx wrote no model of {program}; it said: {said}{hint('convert')}"
        )
    return load_model(target)


def _describe_ending(status: int) -> str:
    if status > 0:
        return f"ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"was ended by signal {-status}"


def _last_words(text: str) -> str:
    """Return the end of a process's output on one line; of a traceback the error alone."""
    lines = text.strip().splitlines()
    if any(line.startswith("Traceback") for line in lines):
        frames = [number for number, line in enumerate(lines) if line[:1].isspace()]
        lines = lines[max(frames, default=-1) + 1 :]
    return " ".join(" ".join(lines)[-_WORDS_KEPT:].split())
