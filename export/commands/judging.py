"""The images by which another form of a model is judged, and how much may be lost."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.commands.arguments import add_images

if TYPE_CHECKING:
    from export.contract import Images, ModelContract


def add_judgement(
    parser: argparse.ArgumentParser, count: int, min_equal: float, max_loss: float
) -> None:
    """Add the images, their labels and the limits.

    Args:
        parser: of the command.
        count: of the images, where nothing is said.
        min_equal, max_loss: the same of the limits, see `Limits`.
    """
    add = parser.add_argument
    add_images(parser)
    add(
        "--labels",
        type=Path,
        help="a PaddleOCR label file: its images are taken, unless --images names some, and "
        "accuracy decides too",
    )
    add(
        "--count", type=int, default=count, metavar="N", help="images at most; default: %(default)s"
    )
    add("--dictionary", type=Path, help="one character per line; for a model that carries none")
    add(
        "--minEqual",
        type=float,
        default=min_equal,
        metavar="SHARE",
        help="of the images that must read as in FP32; default: %(default)s",
    )
    add(
        "--maxLoss",
        type=float,
        default=max_loss,
        metavar="SHARE",
        help="of the labelled images that may be lost, less those gained; default: %(default)s",
    )


def labelled_images(
    options: argparse.Namespace, contract: ModelContract
) -> tuple[Images, str, Sequence[Any]]:
    """Return the images of a label file, or those named beside it, and what each shows.

    Args:
        options: the command line, which names `labels`.
        contract: of the model.

    Returns:
        the images, what they are, and the truth of each, None where unknown.

    Raises:
        OcrError: if the label file or the images cannot be read.
    """
    from export.proof.samples import readable_images

    paths = options.images or contract.labelled(options.labels)
    named, _ = readable_images(paths, options.count)
    truth = contract.truth(options.labels, list(named))
    return list(named.values()), f"{len(named)} images", truth
