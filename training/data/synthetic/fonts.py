"""The fonts that synthetic lines are drawn with, and which characters each of them has."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import struct
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTCollection, TTFont, TTLibError
from PIL import ImageFont, features

from runtime.errors import DatasetError
from runtime.recognition.charset import SPACE
from training.data.synthetic.alphabet import is_combining, is_visible
from training.data.synthetic.capitals import has_capitals_only
from training.data.synthetic.patterns import pick

logger = logging.getLogger(__name__)

FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
PACKAGES_WITH_FONTS = (("matplotlib", "mpl-data/fonts/ttf"),)

NOT_FOR_TEXT = re.compile(
    r"emoji|symbol|icon|awesome|dingbat|braille|barcode|lastresort|stixsiz|stixnonuni|cmex|cmsy|"
    r"cmmi|opens___|marlett|mtextra|bssym|holomdl|segmdl",
    re.IGNORECASE,
)
"""File names of fonts whose letters are pictures, boxes or parts of formulas."""

TEX_ROMAN = re.compile(r"cm(b|r|ss|ti|tt)10\.ttf", re.IGNORECASE)
TEX_ROMAN_CHARACTERS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#%()*+,-./:;=?@[] "
)
"""Characters that Knuth's fonts draw where Unicode expects them; their `<` is an `¡`."""

SEGMENTS = re.compile(r"dseg", re.IGNORECASE)
SEGMENT_CHARACTERS = frozenset("0123456789:- ")
"""What seven segments show as nothing else does; their letters are a code of their own."""

SMALL_CAPITALS = re.compile(r"smallcaps|-sc-|cinzel", re.IGNORECASE)

PROBE_SIZE_PX = 24

UNREADABLE = (OSError, TTLibError, struct.error, ValueError, LookupError, AssertionError, EOFError)
"""Errors of fontTools and FreeType on files that are damaged or no fonts at all."""


@dataclass(frozen=True)
class Face:
    """One font face.

    Args:
        path: the font file.
        index: number of the face within a collection.
        family: name of the family, so that each family is drawn equally often.
        characters: the characters of the alphabet that the face draws.
    """

    path: str
    index: int
    family: str
    characters: frozenset[str] = field(repr=False)


class FontBook:
    """The usable faces for one alphabet, in a stable order.

    Args:
        faces: at least one.
    """

    def __init__(self, faces: Sequence[Face]) -> None:
        self.faces = tuple(faces)
        families: dict[str, list[Face]] = {}
        for face in self.faces:
            families.setdefault(face.family, []).append(face)
        self._families = tuple(tuple(members) for members in families.values())

    def named(self, pattern: re.Pattern[str]) -> FontBook | None:
        """Return the book of the faces whose file name contains `pattern`; None if none does."""
        faces = [face for face in self.faces if pattern.search(Path(face.path).name)]
        return FontBook(faces) if faces else None

    def can_draw(self, text: str) -> bool:
        """Tell whether one face has every character of `text`."""
        needed = frozenset(text)
        return any(face.characters >= needed for face in self.faces)

    def choose(self, text: str, rng: np.random.Generator) -> Face | None:
        """Choose a face that draws all of `text`: first a family, then a face; None if none does.

        A family with twenty weights is thus no likelier than one that has a single face.
        """
        needed = frozenset(text)
        fitting = []
        for members in self._families:
            able = [face for face in members if face.characters >= needed]
            if able:
                fitting.append(able)
        return pick(pick(fitting, rng), rng) if fitting else None

    def choose_best(self, text: str, must_have: str | None, rng: np.random.Generator) -> Face:
        """Choose among the faces that draw most of `text`, and `must_have` in any case."""
        needed = frozenset(text)
        able = [face for face in self.faces if must_have is None or must_have in face.characters]
        most = max(len(face.characters & needed) for face in able)
        return pick([face for face in able if len(face.characters & needed) == most], rng)


def font_folders() -> list[Path]:
    """List the folders in which this system and the installed packages keep fonts."""
    home = Path.home()
    folders = [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".local/share/fonts",
        home / ".fonts",
        Path("/System/Library/Fonts"),
        Path("/Library/Fonts"),
        home / "Library/Fonts",
    ]
    if sys.platform == "win32":
        folders.append(Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts")
        folders.append(home / "AppData/Local/Microsoft/Windows/Fonts")
    for package, inside in PACKAGES_WITH_FONTS:
        # The folder is found without importing the package, which takes a second.
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            folders.append(Path(next(iter(spec.submodule_search_locations))) / inside)
    return folders


def find_font_files() -> list[Path]:
    """Find the text fonts of this machine, one per file name, sorted by name."""
    found: dict[str, Path] = {}
    for folder in font_folders():
        if folder.is_dir():
            for path in fonts_in(folder):
                found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def fonts_in(folder: Path, unfit: re.Pattern[str] = NOT_FOR_TEXT) -> list[Path]:
    """Find the fonts in a folder and below it, sorted by path; links that lead nowhere are none.

    Args:
        unfit: what the names of the fonts left out match.
    """
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in FONT_SUFFIXES and not unfit.search(path.name) and path.is_file()
    ]


@lru_cache(maxsize=512)
def load_font(path: str, index: int, size_px: int, is_shaped: bool) -> ImageFont.FreeTypeFont:
    """Open a face at one size and keep it for the life of the process.

    Args:
        size_px: em in px.
        is_shaped: lay out with Raqm, as scripts with joined or reordered letters need; without
            it every character becomes exactly one glyph.
    """
    engine = ImageFont.Layout.RAQM if is_shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(path, size_px, index=index, layout_engine=engine)


@lru_cache(maxsize=65536)
def needs_shaping(character: str) -> bool:
    """Tell whether a character joins, reorders or stacks with its neighbours."""
    if is_combining(character) or unicodedata.bidirectional(character) in ("R", "AL"):
        return True
    # Devanagari .. Thai, Lao, Tibetan, Myanmar, Khmer, Mongolian.
    codepoint = ord(character)
    return 0x0900 <= codepoint < 0x10A0 or 0x1780 <= codepoint < 0x18B0


def build_font_book(
    characters: Iterable[str], files: Sequence[str | Path] | None = None
) -> FontBook:
    """Find the fonts that draw an alphabet.

    Args:
        characters: the alphabet; characters without ink save the space are ignored.
        files: font files to use, in any order, or None for those of the machine.

    Raises:
        DatasetError: if a listed file is no font, there are no fonts, or no font has one of the
            characters.
    """
    alphabet = frozenset(
        character for character in characters if is_visible(character) or character == SPACE
    )
    shaped = sorted(character for character in alphabet if needs_shaping(character))
    if shaped and not features.check("raqm"):
        raise DatasetError(
            f"Pillow lacks Raqm, which is needed to draw {_name_characters(shaped)}: expected a "
            "Pillow built with it, got one without; install Pillow's wheel from PyPI or remove "
            "these characters from the alphabet"
        )
    faces, num_files = read_faces(alphabet, files)
    _check_coverage(alphabet, faces, num_files)
    return FontBook(faces)


def read_faces(
    alphabet: frozenset[str], files: Sequence[str | Path] | None
) -> tuple[list[Face], int]:
    """Read which characters of an alphabet each face draws.

    Args:
        alphabet: visible characters and the space.
        files: font files to read, in any order, or None for those of the machine.

    Returns:
        The faces that draw any of them, in a stable order, and the number of files looked at.

    Raises:
        DatasetError: if a listed file is no font.
    """
    is_listed = files is not None
    paths = find_font_files() if files is None else sorted({Path(file) for file in files})
    faces: list[Face] = []
    for path in paths:
        try:
            faces.extend(_read_faces(path, alphabet))
        except UNREADABLE as error:
            if is_listed:
                raise DatasetError(
                    f"cannot read the font {path}: {error}; give a TrueType or OpenType file"
                ) from error
            logger.info("skipping the font %s: %s", path, error)
    return faces, len(paths)


def _read_faces(path: Path, alphabet: frozenset[str]) -> Iterator[Face]:
    is_collection = path.suffix.lower() in (".ttc", ".otc")
    with (TTCollection if is_collection else TTFont)(str(path), lazy=True) as opened:
        for index, font in enumerate(list(opened.fonts) if is_collection else [opened]):
            yield from _read_face(path, index, font, alphabet)


def _read_face(path: Path, index: int, font: TTFont, alphabet: frozenset[str]) -> Iterator[Face]:
    """Yield the face, or nothing if it has no outlines or none of the characters."""
    if not any(table in font for table in ("glyf", "CFF ", "CFF2")):
        return
    mapped = font.getBestCmap() or {}
    candidates = {character for character in alphabet if ord(character) in mapped}
    if TEX_ROMAN.fullmatch(path.name):
        candidates &= TEX_ROMAN_CHARACTERS
    probe = load_font(str(path), index, PROBE_SIZE_PX, False)
    # Some fonts list characters for which they hold an empty glyph.
    drawn = {
        character
        for character in candidates
        if character == SPACE or probe.getmask(character).getbbox() is not None
    }
    if not any(is_visible(character) and not is_combining(character) for character in drawn):
        return
    if SEGMENTS.search(path.name):
        drawn &= SEGMENT_CHARACTERS
    elif SMALL_CAPITALS.search(path.name) or has_capitals_only(probe, drawn):
        drawn -= {character for character in drawn if character != character.upper()}
    names = font["name"]
    family = names.getDebugName(16) or names.getDebugName(1) or path.stem
    yield Face(str(path), index, family, frozenset(drawn))


def _check_coverage(alphabet: frozenset[str], faces: Sequence[Face], num_files: int) -> None:
    covered = frozenset().union(*(face.characters for face in faces))
    missing = sorted(character for character in alphabet - covered if character != SPACE)
    if missing:
        raise DatasetError(
            f"no font can draw {_name_characters(missing)}: expected every character of the "
            f"alphabet in at least one font, got {num_files} font files without them; install a "
            "font that has them (such as Noto) or remove them from the alphabet"
        )


def _name_characters(characters: Sequence[str]) -> str:
    """Name the characters with their code points, at most ten of them."""
    shown = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in characters[:10])
    more = len(characters) - 10
    return shown if more <= 0 else f"{shown} and {more} more"
