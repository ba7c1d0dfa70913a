"""Writes synthetic lines as a PaddleOCR data set: pictures and label files."""

from __future__ import annotations

import json
import multiprocessing
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
from runtime.files import write_atomically
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
    """The label files that `write_data_set` has written, and their numbers of lines."""

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
"""The data set that this worker process draws, and the folder of its images."""


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
    train: list[str] = []
    val: list[str] = []
    for index, (text, goes_to_val) in enumerate(zip(texts, is_val, strict=True)):
        entry = f"{IMAGE_FOLDER}/{_image_name(index)}\t{text}\n"
        (val if goes_to_val else train).append(entry)
    provenance = json.dumps(data_set.provenance(), ensure_ascii=False, indent=1)
    _write_text(folder / DICTIONARY_FILE, [f"{line}\n" for line in data_set.visible_characters])
    _write_text(folder / PROVENANCE_FILE, [provenance, "\n"])
    train_file, val_file = folder / TRAIN_FILE, folder / VAL_FILE if val else None
    if val_file is not None:
        _write_text(val_file, val)
    _write_text(train_file, train)
    return WrittenDataSet(train_file, len(train), val_file, len(val))


def _write_text(path: Path, parts: Sequence[str]) -> None:
    write_atomically(path, "".join(parts).encode())
