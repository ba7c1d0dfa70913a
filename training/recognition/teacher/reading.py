"""What a teacher reads in a line: its likeliest texts, and its likeliest classes at every step."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.recognition.alternatives import most_probable_labels
from runtime.recognition.charset import BLANK_INDEX

MOST_TEXTS, MOST_CLASSES = 5, 8
"""Texts of a line, and classes of a time step, that are kept."""
LEAST_PROBABILITY = 1e-4
"""Classes less probable than this are left to the rest."""
_MOST_BYTES = 2**26
"""Of a packed reading once it is unpacked; far above any line's."""


class ReadText(NamedTuple):
    """A possible text of a line.

    Args:
        text: in the order of the image, left to right.
        classes: joint classes of its characters, as `Counterparts` numbers them.
        probability: by the teacher, 0 .. 1, summed over all ways to spell it; a lower bound.
    """

    text: str
    classes: tuple[int, ...]
    probability: float


@dataclass(frozen=True, eq=False)
class LineReading:
    """What a teacher reads in a line.

    Dimension letters: T time steps of the teacher, k classes kept of each.

    Args:
        texts: the most probable first; at least one, which may be empty.
        classes: joint classes, int32 [T, k], the most probable first.
        probabilities: of these, float32 [T, k]; what lacks to 1 is that of all others.
        line_steps: time steps that the line itself fills; the others are those of padding.
    """

    texts: tuple[ReadText, ...]
    classes: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    line_steps: float

    @property
    def text(self) -> str:
        """The most probable text."""
        return self.texts[0].text

    @property
    def _is_first(self) -> NDArray[np.bool_]:
        """Tell of each time step whether a character begins there on the most probable path."""
        best = self.classes[:, 0]
        is_first = best != BLANK_INDEX
        is_first[1:] &= best[1:] != best[:-1]
        return is_first

    @cached_property
    def path(self) -> tuple[int, ...]:
        """Joint classes of the most probable path, which greedy decoding finds.

        Its text may be another than `text`, which many improbable paths may spell.
        """
        return tuple(self.classes[self._is_first, 0].tolist())

    @cached_property
    def character_confidences(self) -> tuple[float, ...]:
        """Probability of each character of `path`, as the runtime has them."""
        return tuple(self.probabilities[self._is_first, 0].tolist())

    @property
    def confidence(self) -> float:
        """Mean of `character_confidences`; 0 without any."""
        values = self.character_confidences
        return float(np.mean(values)) if values else 0.0

    def is_spelled_by(self, num_classes: int) -> bool:
        """Tell whether a dictionary of so many classes has every character of the best text."""
        return max(self.texts[0].classes, default=0) < num_classes

    def pack(self) -> bytes:
        """Return the reading in few bytes; probabilities keep 11 bits."""
        head = {
            "shape": self.classes.shape,
            "line_steps": self.line_steps,
            "texts": [[text, list(classes), value] for text, classes, value in self.texts],
        }
        content = (
            json.dumps(head).encode() + b"\n",
            self.classes.astype("<i4").tobytes(),
            self.probabilities.astype("<f2").tobytes(),
        )
        return zlib.compress(b"".join(content))


def unpack(data: bytes) -> LineReading | None:
    """Return the reading that `LineReading.pack` wrote; None if the bytes are none."""
    try:
        content = zlib.decompressobj().decompress(data, _MOST_BYTES)
        line, _, rest = content.partition(b"\n")
        head = json.loads(line)
        steps, kept = map(int, head["shape"])
        count = steps * kept
        if min(steps, kept) < 1 or len(rest) != count * 6:
            return None
        classes = np.frombuffer(rest, "<i4", count).reshape(steps, kept)
        values = np.frombuffer(rest, "<f2", count, count * 4).reshape(steps, kept)
        texts = tuple(
            ReadText(str(text), tuple(map(int, numbers)), float(value))
            for text, numbers, value in head["texts"]
        )
        reading = LineReading(
            texts, classes.astype(np.int32), values.astype(np.float32), float(head["line_steps"])
        )
        return reading if _can_be(reading) else None
    except (zlib.error, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _can_be(reading: LineReading) -> bool:
    """Tell whether all numbers of a reading are such as `reading_of` gives."""
    shares = [text.probability for text in reading.texts]
    return (
        bool(reading.texts)
        and all(0 <= share <= 1 for share in shares)
        and all(min(text.classes, default=1) > BLANK_INDEX for text in reading.texts)
        and reading.classes.min() >= BLANK_INDEX
        and bool(((reading.probabilities >= 0) & (reading.probabilities <= 1)).all())
        and 0 < reading.line_steps <= len(reading.classes)
    )


def reading_of(
    probabilities: NDArray[np.float32],
    table: NDArray[np.int64],
    characters: Sequence[str],
    line_steps: float,
) -> LineReading:
    """Make a reading of what a network emits.

    Args:
        probabilities: float32 [T, classes of the network].
        table: the joint class of each class of the network.
        characters: of each joint class from 1 on.
        line_steps: time steps that the line fills.
    """
    steps, own = np.nonzero(probabilities >= LEAST_PROBABILITY)
    joint = table[own]
    # The classes that occur in this line, the blank first: few of many thousands.
    occurring = np.union1d(joint, [BLANK_INDEX])
    compact = np.zeros((len(probabilities), len(occurring)), np.float32)
    np.add.at(compact, (steps, np.searchsorted(occurring, joint)), probabilities[steps, own])
    np.minimum(compact, 1.0, out=compact)
    texts = _texts(compact, occurring, characters)
    kept = min(MOST_CLASSES, len(occurring))
    order = np.argsort(-compact, axis=1, kind="stable")[:, :kept]
    return LineReading(
        texts,
        occurring[order].astype(np.int32),
        np.take_along_axis(compact, order, axis=1),
        line_steps,
    )


def _texts(
    compact: NDArray[np.float32], occurring: NDArray[np.int64], characters: Sequence[str]
) -> tuple[ReadText, ...]:
    """Return the likeliest texts of probabilities [T, number of classes that occur]."""
    found = most_probable_labels(compact, MOST_TEXTS)
    best = sorted(found, key=lambda entry: (-entry[1], entry[0]))[:MOST_TEXTS]
    texts = []
    for columns, probability in best:
        if probability <= 0:
            continue
        classes = tuple(int(occurring[column]) for column in columns)
        text = "".join(characters[number - 1] for number in classes)
        texts.append(ReadText(text, classes, min(1.0, probability)))
    return tuple(texts) or (ReadText("", (), 0.0),)


def joined(first: LineReading, following: LineReading) -> LineReading:
    """Return the reading of a line that another was put behind."""
    kept = max(first.classes.shape[1], following.classes.shape[1])
    texts: list[Any] = [
        ReadText(
            before.text + behind.text,
            before.classes + behind.classes,
            before.probability * behind.probability,
        )
        for before in first.texts
        for behind in following.texts
    ]
    texts.sort(key=lambda read: -read.probability)
    # Padding of the first line would stand in the middle.
    length = max(1, min(len(first.classes), round(first.line_steps)))
    return LineReading(
        tuple(texts[:MOST_TEXTS]),
        np.concatenate([_widened(first.classes[:length], kept), _widened(following.classes, kept)]),
        np.concatenate(
            [_widened(first.probabilities[:length], kept), _widened(following.probabilities, kept)]
        ),
        length + following.line_steps,
    )


def _widened(values: NDArray[Any], kept: int) -> NDArray[Any]:
    """Fill up [T, k] with zeros: blanks of no probability."""
    return np.pad(values, ((0, 0), (0, kept - values.shape[1])))
