"""`python -m export precision`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images

HELP = "FP32 ONNX -> FP16 ONNX that reads the same, with a report of what stays FP32 and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the images and the tolerance."""
    parser.add_argument("--onnx", required=True, type=Path, help="the FP32 model")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: NAME_fp16.onnx beside it"
    )
    add_images(parser)
    add_precision(parser)


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `precision` and `build` share."""
    parser.add_argument(
        "--dictionary", type=Path, help="one character per line; for a model that carries none"
    )
    add_tie_tolerance(parser)


def add_tie_tolerance(parser: argparse.ArgumentParser) -> None:
    """Add the probability up to which another reading counts as a tie."""
    parser.add_argument(
        "--tieTolerance",
        type=float,
        default=0.0,
        metavar="P",
        help="accept another reading where FP32 prefers its class, or text to none, by no more "
        "than this probability; default: 0, every text or box must be equal",
    )


def tie_tolerance_of(options: argparse.Namespace) -> float:
    """Return the value of `--tieTolerance`, checked.

    Raises:
        ConfigError: if it is no probability.
    """
    from runtime.errors import ConfigError

    tolerance = float(options.tieTolerance)
    if not 0.0 <= tolerance < 1.0:
        raise ConfigError(f"--tieTolerance: expected at least 0 and less than 1, got {tolerance}")
    return tolerance


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Convert a model to FP16, prove it, and write it.

    Raises:
        OcrError: with every reason this project knows; nothing is written then.
    """
    output = options.output or half_path(options.onnx)
    return convert_file(
        options.onnx, output, options.images, options.dictionary, options.tieTolerance
    )


def half_path(onnx: Path) -> Path:
    """Return where the FP16 form of a model goes by default."""
    return onnx.with_name(f"{onnx.stem}_fp16.onnx")


def convert_file(
    onnx: Path,
    output: Path,
    images: Sequence[str | Path],
    dictionary: Path | None = None,
    tie_tolerance: float = 0.0,
) -> dict[str, Any]:
    """Write the FP16 form of a model's file.

    Args:
        onnx: the FP32 model.
        output: where the FP16 form goes.
        images: to agree on; rendered ones without.
        dictionary: for a model that carries no characters.
        tie_tolerance: as `half_model`.

    Returns:
        paths, hash and the report.

    Raises:
        OcrError: with every reason this project knows; nothing is written then.
    """
    from export.contract import model_contract, samples_to_compare
    from export.conversion.model_file import read_model
    from export.conversion.staging import staged
    from export.precision import half_model

    source = read_model(onnx, dictionary)
    contract = model_contract(source.spec)
    with staged(output.parent) as folder:  # first, so that a folder that refuses is met first
        half = half_model(
            source.model,
            contract,
            samples_to_compare(images, contract),
            source_sha256=source.sha256,
            tie_tolerance=tie_tolerance,
        )
        (folder / output.name).write_bytes(half.model.SerializeToString(deterministic=True))
    return {"onnx": str(output), "source_sha256": source.sha256, **half.report.as_json()}
