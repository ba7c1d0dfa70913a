"""`python -m export graph`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HELP = "ONNX -> NAME_gpu.onnx for onnxruntime on CUDA: pixels in, decisions out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model and where the graph goes."""
    parser.add_argument("--onnx", required=True, type=Path, help="FP32 or FP16")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: NAME_gpu.onnx beside it"
    )
    parser.add_argument("--dictionary", type=Path, help="for a model that carries no characters")


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Write the graph that engines are built from as a file that the runtime opens.

    Raises:
        OcrError: if the model cannot be read or wrapped; nothing is written then.
    """
    from export.engine.graph_file import graph_path, write_engine_graph

    output = options.output or graph_path(options.onnx)
    return {"onnx": str(write_engine_graph(options.onnx, output, options.dictionary))}
