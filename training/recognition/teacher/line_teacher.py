"""A teacher reads lines: decoded images in, readings out, each network run once per image."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from runtime.engines import open_engine
from runtime.errors import ArtifactError
from runtime.fields import shown
from runtime.recognition.charset import Charset
from runtime.recognition.model.told import FIELDS, Told
from runtime.recognition.preprocess import Image, prepare_line
from runtime.recognition.score_session import ScoreSession
from runtime.recognition.session import LINE_INPUTS
from runtime.recognition.spec import RecognizerSpec
from training.distillation.teacher.cache import ReadingCache, key_of
from training.distillation.teacher.section import TeacherPlan
from training.recognition.teacher.counterparts import Counterparts
from training.recognition.teacher.reading import (
    LEAST_PROBABILITY,
    MOST_CLASSES,
    MOST_TEXTS,
    LineReading,
    reading_of,
    unpack,
)

DICTIONARY = "character_dict_path"
KEYS = frozenset({DICTIONARY, *FIELDS})
"""Keys of its section that say what a file leaves open."""
_FORMAT = 1
"""Of what is kept; another one is read anew."""
_OPTIONS = {
    "--dictionary": DICTIONARY,
    "--height": "height_px",
    "--layout": "layout",
    "--blank": "blank",
    "--space": "has_space",
    "--output-name": "output_name",
}
_SHOWN = 8
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineTeacher:
    """A recogniser in an ONNX file, which reads lines by its own view of them.

    A line is resized to the teacher's own height and width and normalised as it was trained. One
    thread reads, so that not a bit depends on the machine's load; what was read once is kept. It
    can be pickled: each process opens the file for itself, with the first line.

    Args:
        plan: names the file, and what it leaves open.
        charset: of the run; the classes of what is read are these first.
    """

    plan: TeacherPlan
    charset: Charset

    def __getstate__(self) -> dict[str, Any]:
        return {"plan": self.plan, "charset": self.charset}

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report values of `KEYS` that cannot be."""
        problems = [
            (key, f"expected {FIELDS[key].expected}, got {shown(value)}")
            for key, value in options.items()
            if key in FIELDS and not FIELDS[key].accepts(value)
        ]
        dictionary = options.get(DICTIONARY, "")
        if not isinstance(dictionary, str):
            problems.append((DICTIONARY, f"expected a dictionary's path, got {dictionary!r}"))
        return problems

    def check(self) -> None:
        """Open the file; raises ArtifactError or EngineError if it cannot teach this run."""
        found = self.counterparts
        if found.num_same + len(found.alike) == 0:
            raise ArtifactError(
                f"{self.plan.onnx}: none of its {len(found.own.characters)} characters is in the "
                "run's dictionary: expected some; give another teacher or dictionary"
            )

    def read(self, images: Sequence[Image]) -> list[LineReading]:
        """Read lines.

        Args:
            images: BGR uint8 [h, w, 3] each, of any size.

        Returns:
            A reading of each; the same bits whether it was kept or is new.

        Raises:
            ArtifactError: if the file cannot be used.
            EngineError: if the network fails on a line.
        """
        return [self._read(image) for image in images]

    def _read(self, image: Image) -> LineReading:
        key = key_of(self.view, image)
        kept = self._cache.get(key)
        reading = None if kept is None else unpack(kept)
        if reading is None:
            packed = self._ask(image).pack()
            self._cache.put(key, packed)
            reading = unpack(packed)
            assert reading is not None
        return reading

    def _ask(self, image: Image) -> LineReading:
        """Run the network on a line."""
        spec = self.spec
        line = prepare_line(image, spec)
        width_px = spec.width.input_width(line.shape[1])
        _, _, probabilities = self._session.read_with_probabilities([line], width_px)
        steps = probabilities.shape[1]
        counterparts = self.counterparts
        return reading_of(
            probabilities[0],
            counterparts.table,
            counterparts.characters,
            steps * line.shape[1] / width_px,
        )

    @property
    def spec(self) -> RecognizerSpec:
        """What the network expects and emits; raises ArtifactError if that cannot be told."""
        return self._session.spec

    @cached_property
    def counterparts(self) -> Counterparts:
        """What its classes are among those of the run."""
        return Counterparts(self.spec.charset, self.charset)

    @property
    def num_joint_classes(self) -> int:
        """Classes that a reading may hold: the blank, those of the run, and further ones."""
        return len(self.counterparts.characters) + 1

    @cached_property
    def step_px(self) -> float:
        """Px of its input's width to a time step."""
        spec = self.spec
        width_px = spec.width.input_width(4 * spec.height)
        blank = np.full((spec.height, width_px, spec.channels), 255, np.uint8)
        steps = self._session.read([blank], width_px)[0].shape[1]
        if not steps:
            raise ArtifactError(f"{self.plan.onnx} leaves no time step of {width_px} px")
        return width_px / steps

    def notes(self) -> list[str]:
        """Say which of its characters stand for which of the run's, with counts."""
        found = self.counterparts
        name, total = self.plan.name, len(found.own.characters)
        alike = [f"{own} as {shared}" for own, shared in found.alike.items()]
        notes = [
            f"{name} reads {total} characters: {found.num_same} are the run's, {len(alike)} look "
            f"like one of them{_examples(alike)}, {len(found.absent)} have no counterpart"
            f"{_examples(found.absent)}"
        ]
        if found.unread:
            known = len(found.shared.class_of)
            notes.append(
                f"of the run's {known} characters {name} never reads {len(found.unread)}"
                f"{_examples(found.unread)}"
            )
        return notes

    @cached_property
    def _cache(self) -> ReadingCache:
        return self.plan.cache

    @cached_property
    def _session(self) -> ScoreSession:
        options = dict(self.plan.of_task)
        dictionary = options.pop(DICTIONARY, None)
        engine = open_engine(self.plan.onnx, "cpu", threads=1)
        try:
            if {info.name for info in engine.inputs} == set(LINE_INPUTS):
                raise ArtifactError(
                    f"{self.plan.onnx} chooses the classes itself: expected a network that emits "
                    "scores of all of them; give the ONNX file that this one was made from"
                )
            session = ScoreSession(engine, dictionary, Told(**options))
        except ArtifactError as error:
            engine.close()
            raise ArtifactError(f"{error}{_remedy(str(error))}") from error
        except BaseException:
            engine.close()
            raise
        if options and RecognizerSpec.from_metadata(engine.metadata, self.plan.onnx) is not None:
            log.warning(
                "%s describes itself: %s of %s count for nothing",
                *(self.plan.onnx, ", ".join(options), self.plan.path),
            )
        return session

    @cached_property
    def view(self) -> str:
        """Hash of everything besides the image that decides what is read."""
        session, found = self._session, self.counterparts
        spec = session.spec
        told = {
            "format": [_FORMAT, MOST_TEXTS, MOST_CLASSES, LEAST_PROBABILITY],
            "file": self.plan.sha256,
            "input": [spec.height, spec.channels, spec.color_order, spec.mean, spec.std],
            "width": asdict(spec.width),
            "output": [session.layout.letters, session.layout.is_blank_last],
            "activation": spec.output_activation,
            "characters": [list(spec.characters), list(found.characters), found.table.tolist()],
        }
        return hashlib.sha256(json.dumps(told).encode(errors="surrogatepass")).hexdigest()


def _remedy(message: str) -> str:
    """Name the keys of a teacher's section that an error of the readers asks for by options."""
    named = [key for option, key in _OPTIONS.items() if re.search(rf"{option}\b", message)]
    if not named:
        return ""
    return f"; in a config the key{'s' if len(named) > 1 else ''} {', '.join(named)} beside onnx"


def _examples(characters: Sequence[str]) -> str:
    if not characters:
        return ""
    more = f" and {len(characters) - _SHOWN} more" if len(characters) > _SHOWN else ""
    return f" ({' '.join(characters[:_SHOWN])}{more})"
