"""Writes synthetic lines as a PaddleOCR data set: pictures and label files."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from runtime.errors import DatasetError
from training.data.synthetic.dataset import SyntheticDataSet

IMAGE_FOLDER = "images"
IMAGE_NAME = re.compile(r"\d{6,}\.jpg")
TRAIN_FILE = "train.txt"
VAL_FILE = "val.txt"
DICTIONARY_FILE = "dictionary.txt"
PROVENANCE_FILE = "synthetic.json"
JPEG_QUALITY = 95
LINES_PER_TASK = 64


@dataclass(frozen=True)
class WrittenDataSet:
    """What `write_data_set` has written: the label files and their lines."""

    train_file: Path
    num_train: int
    val_file: Path | None
    num_val: int


def write_data_set(
    data_set: SyntheticDataSet,
    output: str | Path,
    *,
    val_fraction: float = 0.0,
    num_workers: int = 1,
    force: bool = False,
    show_progress: bool = True,
) -> WrittenDataSet:
    """Draw every line of epoch 0 into `output`.

    There are `images/000000.jpg` and so on, `train.txt` and, if asked for, `val.txt` with a line
    `path<TAB>text` for each, `dictionary.txt` with the alphabet, and `synthetic.json` with the
    settings. The label files come last, so a folder that has them is complete.

    Args:
        val_fraction: share of the lines, drawn by lot, that go to `val.txt`; 0 .. below 1.
        num_workers: processes that draw.
        force: whether files of an earlier run may be replaced; other files are left alone.

    Raises:
        DatasetError: if the folder has contents and `force` is off, or cannot be written.
    """
    if not 0 <= val_fraction < 1:
        raise DatasetError(
            f"val_fraction is out of range: expected 0 to below 1, got {val_fraction}"
        )
    if num_workers < 1:
        raise DatasetError(f"num_workers is out of range: expected at least 1, got {num_workers}")
    folder = Path(output)
    try:
        _prepare_folder(folder, force)
        drawn = _draw_all(data_set, folder / IMAGE_FOLDER, num_workers)
        with closing(drawn):
            texts = list(tqdm(drawn, "lines", len(data_set), disable=not show_progress))
        return _write_labels(data_set, folder, texts, val_fraction)
    except BrokenProcessPool as error:
        raise DatasetError(
            f"a process that drew lines for {folder} died: expected it to go on, got no answer; "
            "most often the machine ran out of memory: lower --workers"
        ) from error
    except OSError as error:
        raise DatasetError(f"cannot write to {folder}: {error}; choose another folder") from error


def _prepare_folder(folder: Path, force: bool) -> None:
    images = folder / IMAGE_FOLDER
    if folder.exists() and any(folder.iterdir()):
        if not force:
            raise DatasetError(
                f"{folder} is not empty: expected a new or empty folder; "
                "choose another one, or replace an earlier run with --force"
            )
        # Labels first: pictures without labels are an unfinished set, the reverse a broken one.
        for name in (TRAIN_FILE, VAL_FILE, DICTIONARY_FILE, PROVENANCE_FILE):
            (folder / name).unlink(missing_ok=True)
        if images.is_dir():
            for path in images.iterdir():
                if IMAGE_NAME.fullmatch(path.name):
                    path.unlink()
    images.mkdir(parents=True, exist_ok=True)


def _draw_all(
    data_set: SyntheticDataSet, images: Path, num_workers: int
) -> Generator[str, None, None]:
    """Draw and save every line; yields the texts in order."""
    if num_workers == 1:
        for index in range(len(data_set)):
            yield _draw_one(data_set, images, index)
        return
    tasks = [
        range(first, min(first + LINES_PER_TASK, len(data_set)))
        for first in range(0, len(data_set), LINES_PER_TASK)
    ]
    # Not forked: a fork inherits locks of libraries' threads in whatever state they are.
    pool = ProcessPoolExecutor(
        num_workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(data_set, images),
    )
    try:
        for texts in pool.map(_draw_task, tasks):
            yield from texts
    finally:
        pool.shutdown(cancel_futures=True)


_worker: tuple[SyntheticDataSet, Path] | None = None
"""What this worker process draws, and where to."""


def _start_worker(data_set: SyntheticDataSet, images: Path) -> None:
    global _worker
    cv2.setNumThreads(1)
    _worker = (data_set, images)


def _draw_task(indices: Sequence[int]) -> list[str]:
    assert _worker is not None
    data_set, images = _worker
    return [_draw_one(data_set, images, index) for index in indices]


def _draw_one(data_set: SyntheticDataSet, images: Path, index: int) -> str:
    image, text = data_set.line(index)
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    (images / _image_name(index)).write_bytes(encoded.tobytes())
    return text


def _image_name(index: int) -> str:
    return f"{index:06d}.jpg"


def _write_labels(
    data_set: SyntheticDataSet, folder: Path, texts: Sequence[str], val_fraction: float
) -> WrittenDataSet:
    lot = np.random.default_rng([data_set.seed, len(texts)]).permutation(len(texts))
    is_val = np.zeros(len(texts), bool)
    is_val[lot[: round(val_fraction * len(texts))]] = True
    entries = [f"{IMAGE_FOLDER}/{_image_name(i)}\t{text}\n" for i, text in enumerate(texts)]
    _write_text(folder / DICTIONARY_FILE, "".join(f"{c}\n" for c in data_set.visible_characters))
    _write_text(
        folder / PROVENANCE_FILE,
        json.dumps(data_set.provenance(), ensure_ascii=False, indent=1) + "\n",
    )
    num_val = int(is_val.sum())
    val_file = folder / VAL_FILE if num_val else None
    if val_file is not None:
        _write_text(val_file, "".join(e for e, val in zip(entries, is_val, strict=True) if val))
    train_file = folder / TRAIN_FILE
    _write_text(train_file, "".join(e for e, val in zip(entries, is_val, strict=True) if not val))
    return WrittenDataSet(train_file, len(texts) - num_val, val_file, num_val)


def _write_text(path: Path, text: str) -> None:
    """Write under another name, flush, rename: the file is there whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
