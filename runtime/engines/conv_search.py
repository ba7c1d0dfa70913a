"""How onnxruntime looks for convolutions on CUDA, as it was measured and kept beside a model.

Which way is fastest differs between versions by factors: at every new shape EXHAUSTIVE took 634 ms
and HEURISTIC 1.9 (PaddleX 5057); with onnxruntime 1.29 DEFAULT read nine times as fast as either
(docling 4167), with 1.20 fifty times as slowly (PaddleOCR 17970).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from runtime.engines.cuda.driver import gpu_name
from runtime.engines.kept import Records
from runtime.fields import Field, check_fields, choice, mapping, sha256, text
from runtime.files import sha256_of_file

logger = logging.getLogger(__name__)

SEARCHES = ("HEURISTIC", "DEFAULT", "EXHAUSTIVE")
"""onnxruntime's ways to find a convolution on CUDA; the first where nothing was measured."""
SEARCH_VARIABLE = "DISTILREC_CUDNN_SEARCH"
"""Environment variable that names one of `SEARCHES`, whatever was measured."""


@dataclass(frozen=True)
class MeasuredSearch:
    """What was measured on one GPU with one version and one model.

    Args:
        search: the fastest of `SEARCHES`.
        onnxruntime: version.
        gpu: name, as the driver says it.
        model_sha256: of the model's file.
        shapes: read for it, in words.
        seconds: that each of them took.
    """

    search: str
    onnxruntime: str
    gpu: str
    model_sha256: str
    shapes: str
    seconds: Mapping[str, float]

    fields: ClassVar[Mapping[str, Field]] = {
        "search": choice(*SEARCHES),
        "onnxruntime": text(shortest=1),
        "gpu": text(shortest=1),
        "model_sha256": sha256(),
        "shapes": text(),
        "seconds": mapping(),
    }

    def __post_init__(self) -> None:
        check_fields(vars(self), self.fields, "impossible measurement", "measure it again")

    @property
    def place(self) -> tuple[str, str, str]:
        """What it holds for."""
        return self.onnxruntime, self.gpu, self.model_sha256


def search_path(model: Path) -> Path:
    """Return where measurements of a model are kept."""
    return model.with_name(f"{model.name}.search.json")


def chosen_search(model: Path, version: str, device_id: int) -> str:
    """Return the way to look for convolutions of a model.

    Args:
        model: the file that is opened.
        version: of onnxruntime.
        device_id: number of the GPU.

    Returns:
        what the environment variable says, else what was measured with this version, GPU and
        file, else the first of `SEARCHES`.
    """
    if asked := os.environ.get(SEARCH_VARIABLE):
        return asked
    alike = [choice for choice in _records(model) if choice.onnxruntime == version]
    if alike:
        here = (version, gpu_name(device_id), sha256_of_file(model))
        for measured in alike:
            if measured.place == here:
                logger.info("%s: convolutions by %s, as measured", model, measured.search)
                return measured.search
    return SEARCHES[0]


def keep_search(model: Path, measured: MeasuredSearch) -> Path:
    """Keep a measurement beside the model, in place of an earlier one of the same; return where.

    Raises:
        OSError: if the folder refuses.
    """
    _records(model).keep(measured)
    return search_path(model)


def _records(model: Path) -> Records[MeasuredSearch]:
    return Records(search_path(model), MeasuredSearch, "measured")
