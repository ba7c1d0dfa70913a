"""How much CPU ways to compute a network take on this machine, measured once, kept for the user."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from runtime.cpu import cpu_kind, cpu_name
from runtime.engines.choice.ways import Way
from runtime.engines.kept import Records
from runtime.engines.tensors import Array, TensorInfo
from runtime.errors import ArtifactError, OcrError
from runtime.fields import Field, check_fields, mapping, sha256, text
from runtime.files import user_cache

if TYPE_CHECKING:
    from runtime.engines import Engine

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "DISTILREC_CACHE"
"""Environment variable that names the folder of what is kept of this machine."""
_OPEN_SIZES = (1, 3, 320, 320)
"""Of an input [N, C, H, W], where the model leaves them open."""
_ROUNDS = 5
_MOST_SECONDS = 2.0
"""Of measuring, once every way has run twice."""


@dataclass(frozen=True)
class MeasuredSpeed:
    """What was measured of one model on one machine.

    Args:
        model_sha256: of the model's file.
        cpu: name and kind.
        seconds: way in words -> of the CPU, for one input in one thread.
    """

    model_sha256: str
    cpu: str
    seconds: Mapping[str, float]

    fields: ClassVar[Mapping[str, Field]] = {
        "model_sha256": sha256(),
        "cpu": text(shortest=1),
        "seconds": mapping(),
    }

    def __post_init__(self) -> None:
        check_fields(vars(self), self.fields, "impossible measurement", "measure it again")
        if not all(isinstance(value, int | float) and value > 0 for value in self.seconds.values()):
            raise ArtifactError("impossible measurement: expected seconds; measure it again")

    @property
    def place(self) -> tuple[str, ...]:
        """What it holds for."""
        return self.model_sha256, self.cpu


def speeds_path() -> Path:
    """Return where speeds are kept: for this user, of this machine."""
    told = os.environ.get(FOLDER_VARIABLE)
    return (Path(told) if told else user_cache()) / "speeds.json"


def speeds_of(
    model_sha256: str, ways: Sequence[Way], opened: Callable[[Way], Engine]
) -> Mapping[Way, float]:
    """Tell how much CPU each way takes for one input in one thread, as kept or measured now.

    Args:
        model_sha256: of the model's file.
        ways: to compute it.
        opened: opens an engine with one thread.

    Returns:
        seconds by way; those that cannot be opened or run are left out.
    """
    records = Records(speeds_path(), MeasuredSpeed, "measured")
    cpu = f"{cpu_name()}, {cpu_kind()}"
    place = (model_sha256, cpu)
    kept = next((record.seconds for record in records if record.place == place), {})
    if {str(way) for way in ways} <= kept.keys():
        return {way: float(kept[str(way)]) for way in ways}
    seconds = _measured(ways, opened)
    if len(seconds) == len(ways):
        told = {**kept, **{str(way): taken for way, taken in seconds.items()}}
        try:
            records.keep(MeasuredSpeed(model_sha256, cpu, told))
        except OSError as error:
            logger.warning(
                "%s cannot be written (%s), so that speeds are measured every time: let %s name a "
                "folder that can",
                *(records.path, error.strerror, FOLDER_VARIABLE),
            )
    return seconds


def _measured(ways: Sequence[Way], opened: Callable[[Way], Engine]) -> dict[Way, float]:
    """Run every way in turns, and take the shortest time of each: what disturbs only adds."""
    seconds: dict[Way, float] = {}
    with ExitStack() as stack:
        engines: dict[Way, Engine] = {}
        for way in ways:
            try:
                engines[way] = stack.enter_context(closing(opened(way)))
                engines[way].run(_inputs(engines[way].inputs))
            except OcrError as error:
                engines.pop(way, None)
                logger.warning("%s is left out: %s", way, error)
        start = time.monotonic()
        for number in range(_ROUNDS):
            for way, engine in engines.items():
                # Of the CPU: beside other processes time passes that says nothing of a network.
                before = time.process_time()
                engine.run(_inputs(engine.inputs))
                taken = max(time.process_time() - before, 1e-9)
                seconds[way] = min(taken, seconds.get(way, taken))
            if number and time.monotonic() - start > _MOST_SECONDS:
                break
    return seconds


def _inputs(infos: Sequence[TensorInfo]) -> dict[str, Array]:
    """Return inputs of a usual size, of the same noise every time."""
    noise = np.random.default_rng(0)
    inputs = {}
    for info in infos:
        # Sizes that are not told are those of an image.
        sizes = zip(info.sizes, (*_OPEN_SIZES, *(1,) * len(info.sizes)), strict=False)
        shape = tuple(size or usual for size, usual in sizes)
        inputs[info.name] = noise.standard_normal(shape).astype(info.dtype)
    return inputs
