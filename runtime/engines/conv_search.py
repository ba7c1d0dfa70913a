"""How onnxruntime looks for convolutions on CUDA, as it was measured and kept beside a model.

Which way is fastest differs between versions by factors: at every new shape EXHAUSTIVE took 634 ms
and HEURISTIC 1.9 (PaddleX 5057); with onnxruntime 1.29 DEFAULT read nine times as fast as either
(docling 4167), with 1.20 fifty times as slowly (PaddleOCR 17970).
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtime.engines.cuda.driver import gpu_name
from runtime.errors import ArtifactError
from runtime.fields import check_fields, choice, mapping, sha256, text
from runtime.files import sha256_of_file, write_atomically

logger = logging.getLogger(__name__)

SEARCHES = ("HEURISTIC", "DEFAULT", "EXHAUSTIVE")
"""onnxruntime's ways to find a convolution on CUDA; the first where nothing was measured."""
SEARCH_VARIABLE = "DISTILREC_CUDNN_SEARCH"
"""Environment variable that names one of `SEARCHES`, whatever was measured."""
_FORMAT_VERSION = 1
_MOST_KEPT = 64
_MOST_BYTES = 2**20


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

    def __post_init__(self) -> None:
        check_fields(vars(self), _FIELDS, "impossible measurement", "measure it again")

    @property
    def place(self) -> tuple[str, str, str]:
        """What it holds for."""
        return self.onnxruntime, self.gpu, self.model_sha256


_FIELDS = {
    "search": choice(*SEARCHES),
    "onnxruntime": text(shortest=1),
    "gpu": text(shortest=1),
    "model_sha256": sha256(),
    "shapes": text(),
    "seconds": mapping(),
}


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
    alike = [choice for choice in _kept(search_path(model)) if choice.onnxruntime == version]
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
    path = search_path(model)
    others = [choice for choice in _kept(path) if choice.place != measured.place]
    kept = [asdict(choice) for choice in (measured, *others)][:_MOST_KEPT]
    entries = {"format_version": _FORMAT_VERSION, "measured": kept}
    write_atomically(path, (json.dumps(entries, indent=2) + "\n").encode())
    return path


def _kept(path: Path) -> list[MeasuredSearch]:
    """Read what is kept; nothing where there is nothing, or what cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
        return [_measured(entries) for entries in json.loads(data)["measured"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ArtifactError) as error:
        logger.warning("%s cannot be read and is left out: %s", path, " ".join(str(error).split()))
        return []


def _measured(entries: Any) -> MeasuredSearch:
    return MeasuredSearch(**{name: entries[name] for name in _FIELDS})
