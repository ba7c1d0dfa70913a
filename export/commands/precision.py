"""`python -m export precision`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images

HELP = "FP32 ONNX -> FP16 ONNX that reads the same, with a report of what stays FP32 and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the lines, the tolerance."""
    parser.add_argument("--onnx", required=True, type=Path, help="the FP32 recogniser")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: NAME_fp16.onnx beside it"
    )
    add_images(parser)
    add_precision(parser)


def add_precision(parser: argparse.ArgumentParser) -> None:
    """What `precision` and `build` share."""
    parser.add_argument(
        "--dictionary", type=Path, help="one character per line; for a model that carries none"
    )
    parser.add_argument(
        "--tieTolerance",
        type=float,
        default=0.0,
        metavar="P",
        help="accept another reading where FP32 prefers its class by no more than this "
        "probability; default: 0, every text must be equal",
    )


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Convert, prove, write.

    Raises:
        OcrError: with every reason this project knows; nothing is written then.
    """
    from export.lines import comparison_lines
    from export.precision import half_recognizer
    from export.recognizer_file import read_recognizer
    from training.files import write_atomically

    source = read_recognizer(options.onnx, options.dictionary)
    lines, lines_from = comparison_lines(options.images, source.spec.charset)
    half = half_recognizer(
        source.model,
        source.spec,
        lines,
        lines_from,
        source_sha256=source.sha256,
        tie_tolerance=options.tieTolerance,
    )
    output = options.output or options.onnx.with_name(f"{options.onnx.stem}_fp16.onnx")
    write_atomically(output, half.model.SerializeToString(deterministic=True))
    return {"onnx": str(output), "source_sha256": source.sha256, **half.report.as_json()}
