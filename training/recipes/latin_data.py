"""The data of the Latin-script recipe: rendered sets, real lines and the words to render.

A pack is a folder with `train.tsv` and `val.tsv`, label files whose paths are relative to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fontTools.ttLib import TTFont

from runtime.errors import ConfigError, DatasetError
from runtime.files import write_atomically
from runtime.recognition.charset import build_charset
from runtime.recognition.labels import labelled_images
from training.data.synthetic import SyntheticDataSet
from training.data.synthetic.fonts import NOT_FOR_TEXT, fonts_in
from training.data.synthetic.patterns import PATTERNS, pick
from training.data.synthetic.words import WORDS
from training.data.synthetic.writer import write_data_set
from training.recipes.wording import texts
from training.recipes.words import read_words

VAL_FRACTION = 0.01
"""Share of a rendered set that validates, unless the set has a `val_fraction` of its own."""
_FEWEST_VAL_LINES = 4
_SEED = 2026
_PATTERN_SHARE = 0.35
"""Numbers, dates, prices and codes per word of the labels."""
_BUILT_IN_ROUNDS = 6
_CLOSING_MARKS = ".,:;!?"
_ENCLOSING_MARKS = ("()", "[]", "''", '""', "„“", "«»", "\u2018\u2019", "“”")
_FACES_A_FAMILY = 3
_NOT_FOR_LINES = re.compile(
    NOT_FOR_TEXT.pattern
    + r"|d050000l|biolinum_k|libertine_i\.|smallcaps|script|style|hairline|thin|"
    r"extralight|tamil|wght|ocrb[sxf]",
    re.IGNORECASE,
)
"""Pictures, initials, capitals in the place of small letters, outlines and hairlines besides."""
_STYLE_DISTANCES = {
    **dict.fromkeys(("cond", "expanded"), 4),
    **dict.fromkeys(("light", "semi", "black", "heavy", "extra"), 3),
    **dict.fromkeys(("medium", "slant"), 2),
}
_LETTERS_AND_DIGITS = 6
_OTHER_ASCII = 2


def find_packs(data: Path) -> list[Path]:
    """Find the folders of `data` with a training and a validation label file, sorted by name.

    Raises:
        DatasetError: if there is none.
    """
    packs = sorted(file.parent for file in data.glob("*/train.tsv"))
    packs = [pack for pack in packs if (pack / "val.tsv").is_file()]
    if not packs:
        raise DatasetError(
            f"no packs of lines in {data}: expected folders with train.tsv and val.tsv, got none; "
            "name their parent folder with --data"
        )
    return packs


def write_labels(label_file: Path, output: Path) -> Path:
    """Copy a label file with every path made absolute, so that files can be joined."""
    lines = [f"{path.resolve()}\t{text}\n" for path, text in labelled_images(label_file)]
    write_atomically(output, "".join(lines).encode())
    return output


def font_files(folder: Path | None, every_style: bool = False) -> list[str] | None:
    """List the plainest faces of each font family in a folder and below.

    Args:
        folder: None for the fonts of this machine, which are then not listed.
        every_style: whether scripts, thin faces and the like serve too.

    Returns:
        Font files, or None without a folder.

    Raises:
        DatasetError: if the folder holds no font.
    """
    if folder is None:
        return None
    unfit = NOT_FOR_TEXT if every_style else _NOT_FOR_LINES
    families: dict[str, dict[str, Path]] = {}
    for path in fonts_in(folder, unfit):
        with TTFont(str(path), lazy=True, fontNumber=0) as font:
            names = font["name"]
            family = names.getDebugName(16) or names.getDebugName(1) or path.stem
        families.setdefault(family, {})[path.name] = path
    if not families:
        raise DatasetError(
            f"no fonts in {folder}: expected TrueType or OpenType files, got none; "
            "name their folder with --fonts, or leave it out for the fonts of this machine"
        )
    chosen = [
        sorted(faces.values(), key=_distance_from_plain)[:_FACES_A_FAMILY]
        for faces in families.values()
    ]
    return [str(path) for faces in chosen for path in faces]


def _distance_from_plain(path: Path) -> tuple[int, str]:
    name = path.stem.lower()
    is_bold, is_italic = "bold" in name, "ital" in name or "obl" in name
    distance = sum(weight for word, weight in _STYLE_DISTANCES.items() if word in name)
    return distance + is_bold + is_italic + 2 * (is_bold and is_italic), name


def words_from_labels(packs: Sequence[Path]) -> list[str]:
    """List the words of rendered lines: as often as the labels have them, and numbers.

    Every other word of the labels comes once more in another case, the built-in words with and
    without marks around them.
    """
    rng = np.random.default_rng(_SEED)
    words = [
        word
        for pack in packs
        for _, text in labelled_images(pack / "train.tsv")
        for word in text.split()
    ]
    recased = [_recased(word, rng) for word in words[::2]]
    built_in = [_with_marks(_recased(word, rng), rng) for word in WORDS * _BUILT_IN_ROUNDS]
    weights = np.cumsum([weight for _, weight in PATTERNS])
    kinds = np.searchsorted(
        weights, rng.uniform(0, weights[-1], round(_PATTERN_SHARE * len(words)))
    )
    patterns = [PATTERNS[kind][0](rng) for kind in kinds.tolist()]
    return words + recased + built_in + patterns


def _recased(word: str, rng: np.random.Generator) -> str:
    style = rng.random()
    if style < 0.4:
        return word.lower()
    return word.upper() if style < 0.6 else word[0].upper() + word[1:].lower()


def _with_marks(word: str, rng: np.random.Generator) -> str:
    style = rng.random()
    if style < 0.2:
        return word + pick(_CLOSING_MARKS, rng)
    if style < 0.3:
        marks = pick(_ENCLOSING_MARKS, rng)
        return marks[0] + word + marks[1]
    return word


def single_characters(characters: Sequence[str]) -> list[str]:
    """List every character, ASCII letters and digits several times."""
    drawn: list[str] = []
    for character in characters:
        is_common = character.isascii() and character.isalnum()
        times = _LETTERS_AND_DIGITS if is_common else _OTHER_ASCII if character.isascii() else 1
        drawn += [character] * times
    return drawn


def has_set(folder: Path) -> bool:
    """Tell whether a set is drawn already."""
    return (folder / "train.tsv").is_file() and (folder / "val.tsv").is_file()


def worded(options: Mapping[str, Any], word_lists: Path | None, labels: Sequence[str]) -> list[str]:
    """Make the texts of a set that has a `wording`, as many as the set has lines.

    Raises:
        ConfigError: if there is no folder of word lists.
        DatasetError: if the wording is unknown or there are no lists.
    """
    if word_lists is None:
        raise ConfigError(
            f"a set has the wording {options['wording']}, which needs word lists: expected --words "
            "FOLDER, got none; write them: python -m training.recipes.words FOLDER"
        )
    return texts(options["wording"], options["count"], read_words(word_lists), labels)


def render_set(
    options: Mapping[str, Any],
    folder: Path,
    dictionary: Path,
    words: Sequence[str],
    fonts: Sequence[str] | None,
    num_workers: int,
) -> tuple[Path, Path]:
    """Draw a set once; a finished one is left as it is.

    Args:
        options: `count`, `seed`, `max_text_length` and other options of `SyntheticDataSet`,
            `val_fraction`, and the `wording` that `words` are of already.
        folder: where to write.
        dictionary: one character a line; lines may also hold spaces.
        words: for sets whose texts are longer than one character.

    Returns:
        Label files for training and validation.

    Raises:
        DatasetError: if it cannot be drawn or written.
    """
    train, val = folder / "train.tsv", folder / "val.tsv"
    if has_set(folder):
        return train, val
    own = dict(options)
    own.pop("wording", None)
    val_fraction = own.pop("val_fraction", max(VAL_FRACTION, _FEWEST_VAL_LINES / own["count"]))
    charset = build_charset(str(dictionary), use_space_char=True)
    is_single = options["max_text_length"] == 1
    data_set = SyntheticDataSet(
        charset.characters,
        word_list=single_characters(charset.characters[:-1]) if is_single else words,
        fonts=fonts,
        **own,
    )
    written = write_data_set(
        data_set, folder, val_fraction=val_fraction, num_workers=num_workers, force=True
    )
    assert written.val_file is not None
    write_labels(written.val_file, val)
    return write_labels(written.train_file, train), val
