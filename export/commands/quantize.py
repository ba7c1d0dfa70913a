"""`python -m export quantize`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.judging import add_judgement, labelled_images

HELP = "FP32 ONNX -> 8-bit ONNX for CPUs, and what that costs in reading"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the images and the limits."""
    parser.add_argument("--onnx", required=True, type=Path, help="the FP32 model")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: NAME_int8.onnx beside it"
    )
    add_judgement(parser, count=1000, min_equal=0.95, max_loss=0.005)


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Quantise a model, judge its readings, and write it.

    Raises:
        OcrError: with every reason this project knows; nothing is written then.
    """
    from export.contract import images_to_compare, model_contract
    from export.conversion.model_file import read_model
    from export.conversion.staging import staged
    from export.quantization import Limits, eight_bit_model

    limits = Limits(options.maxLoss, options.minEqual)
    source = read_model(options.onnx, options.dictionary)
    contract = model_contract(source.spec)
    truth = None
    if options.labels is not None:
        images, images_from, truth = labelled_images(options, contract)
    else:
        images, images_from = images_to_compare(options.images, contract, options.count)
    output = options.output or options.onnx.with_name(f"{options.onnx.stem}_int8.onnx")
    with staged(output.parent) as folder:  # first, so that a folder that refuses is met first
        made = eight_bit_model(
            source.model,
            contract,
            contract.samples(images, images_from),
            truth=truth,
            limits=limits,
            source_sha256=source.sha256,
        )
        (folder / output.name).write_bytes(made.model.SerializeToString(deterministic=True))
    return {"onnx": str(output), "source_sha256": source.sha256, **made.report.as_json()}
