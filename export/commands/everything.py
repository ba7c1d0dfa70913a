"""Bare `python -m export`: from a checkpoint to everything deployed."""

from __future__ import annotations

import argparse
import logging
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_conversion, add_images, add_source, options_of, source_of
from export.commands.precision import add_tie_tolerance, convert_file, half_path
from runtime.errors import EngineError

HELP = "strip, convert, verify, and build an engine where a GPU is; runs when no command is named"
_ENGINES = ("auto", "tensorrt", "tensorrt-rtx", "none")

log = logging.getLogger("export")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add source, conversion, and what else to write."""
    add_source(parser)
    add_images(parser)
    add_conversion(parser)
    parser.add_argument("--output-dir", required=True, type=Path)
    parser.add_argument("--safetensors", action="store_true", help="write the parameters so too")
    parser.add_argument("--triton", type=Path, metavar="DIR", help="a Triton model repository")
    parser.add_argument(
        "--model-name", default="", help="for PaddleX, in inference.yml; default: one that it knows"
    )
    parser.add_argument(
        "--fp16", action="store_true", help="write NETWORK_fp16.onnx too, proven to read the same"
    )
    add_tie_tolerance(parser)
    parser.add_argument(
        "--gpu-graph",
        action="store_true",
        help="write NETWORK_gpu.onnx too, for onnxruntime on CUDA: pixels in, classes or "
        "probabilities of text out",
    )
    parser.add_argument(
        "--engine",
        choices=_ENGINES,
        default="auto",
        help="auto: NETWORK.plan, where TensorRT and a GPU are; the others insist, or do without",
    )


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Export one network; return paths, hashes and parity of everything written."""
    source = source_of(options)
    from export.chain import export_network

    result = export_network(source, options.output_dir, options_of(options))
    onnx = Path(result["onnx"])
    plan = onnx.with_suffix(".plan")
    if options.fp16:
        result["fp16"] = convert_file(
            onnx, half_path(onnx), options.images, tie_tolerance=options.tieTolerance
        )
        onnx = half_path(onnx)
    if options.gpu_graph:
        from export.engine.graph_file import graph_path, write_engine_graph

        result["gpu_graph"] = str(write_engine_graph(onnx, graph_path(Path(result["onnx"]))))
    if options.engine != "none" and _wants_engine(options, onnx, plan):
        from export.engine import BuildOptions, EngineRequest, build_engine

        result["engine"] = build_engine(
            EngineRequest(
                onnx,
                plan,
                images=options.images,
                tie_tolerance=options.tieTolerance,
                rebuild_command=build_command(options, onnx, plan),
                options=BuildOptions(backend=options.engine),
            )
        )
    _tell_next(source.config.sections["Architecture"].get("model_type"), onnx)
    return result


def _tell_next(model_type: object, onnx: Path) -> None:
    """Log where the model is and what reads with it."""
    options = "--detect-only --detector" if model_type == "det" else "--model"
    name = shlex.quote(str(onnx))
    log.info("written: %s; read with it: python -m runtime.infer IMAGES %s %s", name, options, name)


def _wants_engine(options: argparse.Namespace, onnx: Path, plan: Path) -> bool:
    """Tell whether an engine is to be built here; where it cannot be, log how to elsewhere."""
    if options.engine != "auto":
        return True
    from runtime.engines.tensorrt.library import load_tensorrt, require_driver

    elsewhere = f"on a machine with TensorRT and a GPU: {build_command(options, onnx, plan)}"
    try:
        load_tensorrt()
    except EngineError:  # nobody asked for it; `doctor` says what installs it
        log.info("no engine is built here; %s", elsewhere)
        return False
    try:
        require_driver()
    except EngineError as error:
        log.info("no engine is built here: %s; %s", error, elsewhere)
        return False
    return True


def build_command(options: argparse.Namespace, onnx: Path, plan: Path) -> str:
    """Return the command line that makes the plan by itself."""
    from export.commands import build

    parser = argparse.ArgumentParser()
    build.add_arguments(parser)
    words = ["--onnx", str(onnx), "--saveEngine", str(plan)]
    asked = parser.parse_args(words)
    asked.images, asked.tieTolerance = options.images, options.tieTolerance
    if options.engine != "auto":
        asked.backend = options.engine
    return build.command_line(asked)
