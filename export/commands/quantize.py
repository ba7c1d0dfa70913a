"""`python -m export quantize`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images

HELP = "FP32 ONNX -> 8-bit ONNX for CPUs, and what that costs in reading"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the images and the limits."""
    parser.add_argument("--onnx", required=True, type=Path, help="the FP32 model")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="default: NAME_int8.onnx beside it"
    )
    add_images(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        help="a PaddleOCR label file: its lines are taken, unless --images names some, and "
        "accuracy decides too",
    )
    parser.add_argument(
        "--count", type=int, default=1000, metavar="N", help="images at most; default: 1000"
    )
    parser.add_argument(
        "--dictionary", type=Path, help="one character per line; for a model that carries none"
    )
    parser.add_argument(
        "--maxLoss",
        type=float,
        default=0.005,
        metavar="SHARE",
        help="of the labelled images that may be lost, less those gained; default: 0.005",
    )
    parser.add_argument(
        "--minEqual",
        type=float,
        default=0.95,
        metavar="SHARE",
        help="of the images that must read as in FP32; default: 0.95",
    )


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Quantise a model, judge its readings, and write it.

    Raises:
        OcrError: with every reason this project knows; nothing is written then.
    """
    from export.contract import images_to_compare, model_contract
    from export.conversion.model_file import read_model
    from export.conversion.staging import staged
    from export.proof.samples import evenly_spaced, readable_images
    from export.quantization import Limits, eight_bit_model
    from runtime.images.read import find_images

    limits = Limits(options.maxLoss, options.minEqual)
    source = read_model(options.onnx, options.dictionary)
    contract = model_contract(source.spec)
    truth = None
    if options.labels is not None:
        paths = contract.labelled(options.labels)
        if options.images:
            paths = list(find_images(options.images))
        named, _ = readable_images(evenly_spaced(paths, options.count))
        images, images_from = list(named.values()), f"{len(named)} images"
        truth = contract.truth(options.labels, list(named))
    else:
        given, images_from = images_to_compare(options.images, contract)
        images = evenly_spaced(given, options.count)
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
