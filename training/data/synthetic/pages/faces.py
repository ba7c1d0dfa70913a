"""The families of fonts that a page can be set in, by script and character."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from runtime.errors import DatasetError
from training.data.synthetic.alphabet import is_visible
from training.data.synthetic.dataset import DEFAULT_ALPHABET
from training.data.synthetic.fonts import (
    Face,
    fonts_in,
    load_font,
    needs_shaping,
    read_faces,
)
from training.data.synthetic.pages.wording import LETTERS
from training.data.synthetic.patterns import pick

MARKS = "\u2013\u2014\u2018\u2019\u00d7“”„«»•…·°§©®£¥±。、"
LEAST_COVERAGE = 0.9
"""A face sets a script when it has this share of its letters."""

_BOLD = re.compile(r"bold|bol(?=ita|\.)|black|heavy|bd\.|bi\.|cmb", re.IGNORECASE)
_SLANTED = re.compile(r"ital|ita\.|obl|slant|cmti|bi\.", re.IGNORECASE)
_THIN = re.compile(r"thin|light|hairline", re.IGNORECASE)
_HAND = re.compile(
    r"hand|script|caveat|amatic|kalam|indie|dancing|pacifico|intuitive|comic|cursive|brush|marker",
    re.IGNORECASE,
)
_PROBE_PX = 40

Nature = Literal["any", "even", "hand"]
"""`even`: every character as wide as the next, as a typewriter's; `hand`: as written by hand."""


@dataclass(frozen=True)
class Family:
    """A family of fonts.

    Args:
        name: of the family.
        plain, bold, slanted: its faces.
        nature: whether it is even or looks written by hand.
    """

    name: str
    plain: tuple[Face, ...]
    bold: tuple[Face, ...]
    slanted: tuple[Face, ...]
    nature: Nature

    def face(self, rng: np.random.Generator, is_bold: bool = False) -> Face:
        """Choose a face."""
        if is_bold and self.bold:
            return pick(self.bold, rng)
        return pick(self.plain or self.bold or self.slanted, rng)

    def slanted_face(self, rng: np.random.Generator) -> Face | None:
        """Choose an italic face; None if there is none."""
        return pick(self.slanted, rng) if self.slanted else None


class Typefaces:
    """Every family of fonts for the pages.

    Args:
        fonts: font files or folders of them; None for those of the machine.

    Raises:
        DatasetError: if a file is no font, or no font has the Latin letters.
    """

    def __init__(self, fonts: Sequence[str | Path] | None = None) -> None:
        faces, num_files = _read(None if fonts is None else tuple(_listed(fonts)))
        self.families: Mapping[str, tuple[Family, ...]] = {
            script: families
            for script, letters in LETTERS.items()
            if (families := _families([face for face in faces if _sets(face, script, letters)]))
        }
        if "latin" not in self.families:
            raise DatasetError(
                "no font can set a page: expected Latin letters and digits in at least one font, "
                f"got {num_files} font files without them; install a font or name one with fonts"
            )
        self.visible: tuple[str, ...] = tuple(
            sorted(filter(is_visible, frozenset().union(*(face.characters for face in faces))))
        )
        self.names: tuple[str, ...] = tuple(sorted({Path(face.path).name for face in faces}))

    @property
    def scripts(self) -> tuple[str, ...]:
        """Scripts that a page can be set in; Latin first."""
        return tuple(self.families)

    def choose(self, rng: np.random.Generator, script: str, nature: Nature = "any") -> Family:
        """Choose a family for a script, of that nature if there is one."""
        families = self.families[script]
        if nature == "any":
            fitting = [family for family in families if family.nature != "hand"]
        else:
            fitting = [family for family in families if family.nature == nature]
        return pick(fitting or families, rng)


@lru_cache(maxsize=8)
def _read(files: tuple[Path, ...] | None) -> tuple[list[Face], int]:
    """Read what faces draw; once a process, as it takes seconds and Train and Eval both ask."""
    letters = "".join(LETTERS.values()) + MARKS
    return read_faces(frozenset(DEFAULT_ALPHABET) | {" "} | frozenset(letters), files)


def _listed(fonts: Sequence[str | Path]) -> list[Path]:
    files: list[Path] = []
    for place in map(Path, fonts):
        if not place.is_dir():
            files.append(place)
            continue
        found = fonts_in(place)
        if not found:
            raise DatasetError(
                f"no fonts in {place}: expected TrueType or OpenType files in it, got none"
            )
        files += found
    return files


def _sets(face: Face, script: str, letters: str) -> bool:
    """Tell whether a face sets a script; Knuth's fonts set the Latin one without its accents."""
    if any(map(needs_shaping, letters)):
        return False
    wanted = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    if not face.characters >= wanted:
        return False
    share = len(face.characters.intersection(letters)) / len(letters)
    return script == "latin" or share >= LEAST_COVERAGE


def _families(faces: Sequence[Face]) -> tuple[Family, ...]:
    members: dict[str, list[Face]] = {}
    for face in faces:
        members.setdefault(face.family, []).append(face)
    return tuple(_family(name, members[name]) for name in sorted(members))


def _family(name: str, faces: Sequence[Face]) -> Family:
    plain: list[Face] = []
    bold: list[Face] = []
    slanted: list[Face] = []
    for face in faces:
        file = Path(face.path).name
        is_slanted, is_bold = bool(_SLANTED.search(file)), bool(_BOLD.search(file))
        if is_slanted and not is_bold:
            slanted.append(face)
        elif is_bold and not is_slanted:
            bold.append(face)
        elif not is_bold and not _THIN.search(file):
            plain.append(face)
    if not (plain or bold or slanted):
        plain = list(faces)
    if _HAND.search(name):
        nature: Nature = "hand"
    else:
        nature = "even" if _is_even((plain or bold or slanted)[0]) else "any"
    return Family(name, tuple(plain), tuple(bold), tuple(slanted), nature)


def _is_even(face: Face) -> bool:
    font = load_font(face.path, face.index, _PROBE_PX, False)
    return abs(font.getlength("i") - font.getlength("W")) < 1
