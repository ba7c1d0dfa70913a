"""Sets the files of an earlier run aside, so that a new one in the same folder loses nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from runtime.errors import ArtifactError
from training.checkpoint.parameters import PARAMETERS
from training.checkpoint.saved import AVERAGES, OPTIMIZER, STATES
from training.loop.curves import CURVES_FILE
from training.loop.ending import BEST, LATEST
from training.loop.logs import METRICS_FILE
from training.loop.worst import WORST_FILE

_SUFFIXES = (PARAMETERS, OPTIMIZER, STATES, AVERAGES)
_NAMES = (LATEST, BEST, "iter_epoch_*")
_MOST_TRIED = 1000
log = logging.getLogger(__name__)


def set_aside(folder: Path) -> Path | None:
    """Move the checkpoints and records of an earlier run into a folder named by their date.

    Args:
        folder: of the run that begins.

    Returns:
        Where they are now, None where there were no checkpoints.

    Raises:
        ArtifactError: if the disk refuses.
    """
    checkpoints = sorted(_checkpoints(folder))
    if not checkpoints:
        return None
    others = [folder / name for name in (METRICS_FILE, CURVES_FILE, WORST_FILE)]
    files = [*checkpoints, *(file for file in others if file.is_file())]
    newest = max(file.stat().st_mtime for file in files)
    date = time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(newest))
    try:
        place = _made(folder, f"earlier_{date}")
        for file in files:
            file.rename(place / file.name)
    except OSError as error:
        raise ArtifactError(
            f"cannot set an earlier run in {folder} aside: {error.strerror or error}; name another "
            "folder with Global.save_model_dir, or go on with it: Global.checkpoints="
            f"{folder / LATEST}"
        ) from error
    log.warning(
        "%s held another run: its %d files are in %s now; to go on with it instead: "
        "-o Global.checkpoints=%s",
        folder,
        len(files),
        place,
        place / LATEST,
    )
    return place


def _checkpoints(folder: Path) -> Iterator[Path]:
    for name in _NAMES:
        for suffix in _SUFFIXES:
            yield from folder.glob(f"{name}{suffix}")


def _made(folder: Path, name: str) -> Path:
    """Make a folder of this name, or with a number behind it where there is one."""
    for number in range(1, _MOST_TRIED):
        place = folder / (name if number == 1 else f"{name}_{number}")
        try:
            place.mkdir()
        except FileExistsError:
            continue
        return place
    raise FileExistsError(f"{_MOST_TRIED} folders named {name}")
