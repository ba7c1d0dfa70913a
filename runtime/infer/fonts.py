"""Finds fonts of this system for texts that are drawn."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from runtime.errors import EngineError

TEXT_PX = 24
"""Size of the fonts."""

_FONT_FOLDERS = (
    "~/.fonts",
    "~/.local/share/fonts",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/Library/Fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
_FAVOURITES = ("DejaVuSans.", "NotoSans-Regular", "NotoSansCJK", "Arial")
_NO_CHARACTER = "\U0010ffff"


def require_pillow() -> None:
    """Check that texts can be drawn.

    Raises:
        EngineError: if Pillow is not installed.
    """
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise EngineError(
            "text is drawn by Pillow, which is not installed: pip install 'distilrec[visualize]'"
        ) from error


def font_for(text: str) -> Any:
    """Return the first font that has all characters of a text, else the one that has most."""
    fonts = _fonts()
    wanted = set(text) - {" "}
    best, least_missing = fonts[0], len(wanted) + 1
    for font in fonts:
        missing = sum(not _has(font, character) for character in wanted)
        if missing < least_missing:
            best, least_missing = font, missing
        if not missing:
            break
    return best


@cache
def _has(font: Any, character: str) -> bool:
    """Tell whether a font has a character: it is drawn unlike a character that no font has."""
    drawn, absent = font.getmask(character), font.getmask(_NO_CHARACTER)
    return drawn.size != absent.size or bytes(drawn) != bytes(absent)


@cache
def _fonts() -> list[Any]:
    """Return all fonts of this system, those that have many characters first, Pillow's own last."""
    from PIL import ImageFont

    files = [
        path
        for folder in _FONT_FOLDERS
        for path in sorted(Path(folder).expanduser().rglob("*"))
        if path.suffix.lower() in (".ttf", ".ttc", ".otf")
    ]
    files.sort(key=lambda path: not path.name.startswith(_FAVOURITES))
    fonts = []
    for path in files:
        try:
            fonts.append(ImageFont.truetype(os.fspath(path), TEXT_PX))
        except OSError:
            continue  # not a font that Pillow can read
    return [*fonts, ImageFont.load_default(TEXT_PX)]
