"""Writes rendered lines or pages as a PaddleOCR data set: pictures and label files."""

from __future__ import annotations

import json
import multiprocessing
import re
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from tqdm import tqdm

from runtime.errors import DatasetError
from runtime.files import part_path, write_atomically
from training.data.sample import Sample

IMAGE_FOLDER = "images"
IMAGE_NAME = re.compile(r"\d{6,}\.jpg|\.\d{6,}\.jpg\.part\d+")
TRAIN_FILE = "train.txt"
VAL_FILE = "val.txt"
DICTIONARY_FILE = "dictionary.txt"
PROVENANCE_FILE = "synthetic.json"
JPEG_QUALITY = 95
MOST_PER_TASK = 64
TASKS_PER_WORKER = 8


class Rendered(Protocol):
    """Samples that are drawn: `SyntheticDataSet`, `SyntheticPages`."""

    seed: int

    def __len__(self) -> int: ...

    def read(self, index: int, epoch: int) -> Sample:
        """Draw a sample: its image BGR uint8 [h, w, 3], and its label."""

    @property
    def visible_characters(self) -> tuple[str, ...]:
        """The alphabet."""

    def provenance(self) -> dict[str, object]:
        """Return the settings that the samples follow from."""


@dataclass(frozen=True)
class WrittenDataSet:
    """The label files that `write_data_set` has written, and their numbers of samples."""

    train_file: Path
    num_train: int
    val_file: Path | None
    num_val: int


def write_data_set(
    data_set: Rendered,
    output: str | Path,
    *,
    val_fraction: float = 0.0,
    num_workers: int = 1,
    force: bool = False,
    show_progress: bool = True,
    unit: str = "lines",
) -> WrittenDataSet:
    """Draw every sample of epoch 0 into `output`.

    There are `images/000000.jpg` and so on, `train.txt` and, if asked for, `val.txt` with a line
    `path<TAB>label` for each, `dictionary.txt` with the alphabet, and `synthetic.json` with the
    settings. The label files come last, so a folder that has them is complete.

    Args:
        val_fraction: share of the samples, drawn by lot, that go to `val.txt`; 0 .. below 1.
        num_workers: processes that draw.
        unit: what the samples are called.
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
            labels = list(tqdm(drawn, unit, len(data_set), disable=not show_progress))
        return _write_labels(data_set, folder, labels, val_fraction)
    except BrokenProcessPool as error:
        raise DatasetError(
            f"a process that drew {unit} for {folder} died: expected it to go on, got no answer; "
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


def _draw_all(data_set: Rendered, images: Path, num_workers: int) -> Generator[str, None, None]:
    """Draw and save every sample; yields the labels in order."""
    if num_workers == 1:
        for index in range(len(data_set)):
            yield _draw_one(data_set, images, index)
        return
    step = max(1, min(MOST_PER_TASK, len(data_set) // (TASKS_PER_WORKER * num_workers)))
    tasks = [
        range(first, min(first + step, len(data_set))) for first in range(0, len(data_set), step)
    ]
    # Not forked: a fork inherits locks of libraries' threads in whatever state they are.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(
        num_workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(data_set, images, stop),
    )
    try:
        with _deaf_to_interrupts():
            drawn = pool.map(_draw_task, tasks)
        for labels in drawn:
            yield from labels
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that never hear Ctrl-C, which a terminal sends to all of a group.

    It is for the process that started them, which hears it behind the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


_worker: tuple[Rendered, Path, Event] | None = None
"""What this worker process draws, the folder of its images, and whether it is to stop."""


def _start_worker(data_set: Rendered, images: Path, stop: Event) -> None:
    global _worker
    cv2.setNumThreads(1)
    _worker = (data_set, images, stop)


def _draw_task(indices: Sequence[int]) -> list[str]:
    assert _worker is not None
    data_set, images, stop = _worker
    wanted = (index for index in indices if not stop.is_set())
    return [_draw_one(data_set, images, index) for index in wanted]


def _draw_one(data_set: Rendered, images: Path, index: int) -> str:
    sample = data_set.read(index, 0)
    _, encoded = cv2.imencode(".jpg", sample.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    path = images / _image_name(index)
    part = part_path(path)
    # Not flushed to the disk one by one: what makes a set complete are its label files.
    part.write_bytes(encoded.tobytes())
    part.replace(path)
    return sample.text


def _image_name(index: int) -> str:
    return f"{index:06d}.jpg"


def _write_labels(
    data_set: Rendered, folder: Path, labels: Sequence[str], val_fraction: float
) -> WrittenDataSet:
    lot = np.random.default_rng([data_set.seed, len(labels)]).permutation(len(labels))
    is_val = np.zeros(len(labels), bool)
    is_val[lot[: round(val_fraction * len(labels))]] = True
    train: list[str] = []
    val: list[str] = []
    for index, (label, goes_to_val) in enumerate(zip(labels, is_val, strict=True)):
        entry = f"{IMAGE_FOLDER}/{_image_name(index)}\t{label}\n"
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
