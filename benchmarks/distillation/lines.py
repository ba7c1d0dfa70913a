"""Which lines of the packs are trained on and which are read, the same for every arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.errors import DatasetError
from runtime.files import write_atomically
from runtime.recognition.charset import Charset
from runtime.recognition.labels import labelled_images
from training.data.image_header import ratio_from_header

HEIGHT_PX = 32
_TAB = "\t"
_SEED = 2026
"""Draws the training lines; the same for every arm and seed of a comparison."""


@dataclass(frozen=True)
class ChosenLines:
    """Label files with absolute paths.

    Args:
        train, val: of all packs together.
        rest: a list, without labels, of the training lines that were not drawn.
        num_train, num_rest: lines of `train` and `rest`.
        val_by_pack: validation lines of each pack alone.
    """

    train: Path
    val: Path
    rest: Path
    num_train: int
    num_rest: int
    val_by_pack: dict[str, Path]


def choose_lines(
    data: Path,
    packs: Sequence[str],
    max_width_px: int,
    charset: Charset,
    folder: Path,
    num_train: int | None = None,
) -> ChosenLines:
    """Write label files of the packs' lines that are narrow enough and in the dictionary.

    Args:
        data: folder of packs, each with `train.tsv` and `val.tsv`.
        packs: their names.
        max_width_px: of a line resized to 32 px of height.
        charset: of the networks.
        folder: where to.
        num_train: training lines to draw from them; all of them without.

    Raises:
        DatasetError: if a pack is missing, or no line is left.
    """
    files: dict[str, Path] = {}
    texts: dict[str, list[str]] = {"train": [], "val": []}
    for pack in packs:
        for part, rows in texts.items():
            label_file = data / pack / f"{part}.tsv"
            if not label_file.is_file():
                raise DatasetError(
                    f"no pack {pack} in {data}: expected {label_file}, got no such file; name the "
                    "packs' folder with --data and the packs with --packs"
                )
            kept = [
                f"{path.resolve()}\t{text}\n"
                for path, text in labelled_images(label_file)
                if text
                and not charset.unknown(text)
                and HEIGHT_PX * ratio_from_header(path, str(path)) <= max_width_px
            ]
            if not kept:
                raise DatasetError(
                    f"{label_file}: expected lines of at most {max_width_px} px whose characters "
                    "are in the dictionary, got none; raise --max-width"
                )
            rows += kept
            if part == "val":
                files[pack] = _write(folder / f"val_{pack}.tsv", kept)
    trained, rest = texts["train"], []
    if num_train is not None and num_train < len(trained):
        drawn = np.random.default_rng(_SEED).choice(len(trained), num_train, replace=False)
        chosen = set(drawn.tolist())
        rest = [row for index, row in enumerate(trained) if index not in chosen]
        trained = [trained[index] for index in sorted(chosen)]
    return ChosenLines(
        train=_write(folder / "train.tsv", trained),
        val=_write(folder / "val.tsv", texts["val"]),
        rest=_write(folder / "rest.txt", [f"{row.partition(_TAB)[0]}\n" for row in rest]),
        num_train=len(trained),
        num_rest=len(rest),
        val_by_pack=files,
    )


def _write(path: Path, rows: Sequence[str]) -> Path:
    write_atomically(path, "".join(rows).encode())
    return path
