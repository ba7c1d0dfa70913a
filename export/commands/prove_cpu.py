"""`python -m export prove-cpu`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.commands.arguments import add_images

HELP = "prove that a model reads the same in OpenVINO, bf16 or 8 bit on this kind of CPU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the images and the limits."""
    parser.add_argument("model", type=Path, help="an .onnx file; its 8-bit form may lie beside it")
    add_images(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        help="a PaddleOCR label file: its images are taken, unless --images names some, and "
        "accuracy decides too",
    )
    parser.add_argument(
        "--count", type=int, default=500, metavar="N", help="images at most; default: 500"
    )
    parser.add_argument(
        "--dictionary", type=Path, help="one character per line; for a model that carries none"
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=("fp32", "bf16", "int8"),
        default=["fp32", "bf16", "int8"],
        help="to prove; default: all that this machine has",
    )
    parser.add_argument(
        "--minEqual",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="of the images that must read the same; default: 1, every one",
    )
    parser.add_argument(
        "--maxLoss",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the labelled images that may be lost, less those gained; default: 0",
    )


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Prove what can be proven; `passed` in the result gives the exit status.

    Raises:
        OcrError: if nothing can be compared.
    """
    from export.contract import Images, images_to_compare
    from export.cpu_proof import contract_of_file, prove_on_cpu
    from export.proof.samples import evenly_spaced, readable_images
    from export.quantization.report import Limits
    from runtime.images.read import find_images

    limits = Limits(options.maxLoss, options.minEqual)
    contract = contract_of_file(options.model, options.dictionary)
    truth = None
    images: Images
    if options.labels is not None:
        paths = contract.labelled(options.labels)
        if options.images:
            paths = list(find_images(options.images))
        named, _ = readable_images(evenly_spaced(paths, options.count))
        images, images_from = list(named.values()), f"{len(named)} images"
        truth = contract.truth(options.labels, list(named))
    elif options.images:
        paths = evenly_spaced(list(find_images(options.images)), options.count)
        images, images_from = images_to_compare(paths, contract)
    else:
        images, images_from = images_to_compare((), contract)
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
