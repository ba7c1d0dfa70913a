"""`python -m export prove-cpu`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.judging import add_judgement, labelled_images

HELP = "prove that a model reads the same in OpenVINO, bf16 or 8 bit on this kind of CPU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the images and the limits."""
    parser.add_argument("model", type=Path, help="an .onnx file; its 8-bit form may lie beside it")
    add_judgement(parser, count=500, min_equal=1.0, max_loss=0.0)
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=("fp32", "bf16", "int8"),
        default=["fp32", "bf16", "int8"],
        help="to prove; default: all that this machine has",
    )


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Prove what can be proven; `passed` in the result gives the exit status.

    Raises:
        OcrError: if nothing can be compared.
    """
    from export.contract import Images, images_to_compare
    from export.cpu_proof import contract_of_file, prove_on_cpu
    from export.quantization.report import Limits

    limits = Limits(options.maxLoss, options.minEqual)
    contract = contract_of_file(options.model, options.dictionary)
    truth = None
    images: Images
    if options.labels is not None:
        images, images_from, truth = labelled_images(options, contract)
    else:
        images, images_from = images_to_compare(options.images, contract, options.count)
    return prove_on_cpu(
        options.model,
        contract,
        images,
        images_from,
        truth=truth,
        dictionary=options.dictionary,
        precisions=options.precision,
        limits=limits,
    )
