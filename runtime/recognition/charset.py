"""The characters that a recogniser can emit, in class order, for training, export and serving."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from runtime.errors import ArtifactError
from runtime.files import found_along

logger = logging.getLogger(__name__)

BLANK_INDEX = 0
SPACE = " "
MAX_DICTIONARY_BYTES = 16 * 2**20
MAX_CHARACTERS, MAX_CHARACTER_LENGTH = 262_144, 64
"""Far above any recogniser's; they bound the memory that a file can take."""
DEFAULT_CHARACTERS = tuple("0123456789abcdefghijklmnopqrstuvwxyz")
"""PaddleOCR's characters when `character_dict_path` is empty."""


@dataclass(frozen=True)
class Charset:
    """Characters of classes 1 .. K-1; class 0 is the CTC blank.

    Args:
        characters: the characters in class order, without the blank. Some of PaddleOCR's own
            dictionaries list characters twice: decoding keeps the character of each class,
            encoding uses the last class, and a single warning is logged. A repeated space gives
            no warning: `en_dict.txt` ends in a space and `use_space_char` appends another.
        lowers: whether labels are converted to lower case, as in PaddleOCR without a dictionary.

    Raises:
        ArtifactError: if there are no characters.
    """

    characters: tuple[str, ...]
    lowers: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if not self.characters:
            raise ArtifactError(
                "the charset is empty: expected at least one character, got none; "
                "give a dictionary file with one character per line"
            )
        if len(set(self.characters)) < len(self.characters):
            repeated = tuple(
                (character, first, last)
                for character, (first, last) in _repeated_lines(self.characters).items()
                if character != SPACE
            )
            if repeated:
                _warn_of_repeated(len(self.characters), repeated)

    @property
    def num_classes(self) -> int:
        """K, the number of the characters and the blank."""
        return len(self.characters) + 1

    @cached_property
    def class_of(self) -> dict[str, int]:
        """Class index of each character; of a repeated one the last, as in PaddleOCR."""
        return {character: index for index, character in enumerate(self.characters, start=1)}

    def encode(self, text: str) -> list[int]:
        """Return the class indices of the characters of `text`, in order.

        Unknown characters are left out, as in PaddleOCR's `CTCLabelEncode`; `unknown` returns
        them.
        """
        class_of = self.class_of
        return [class_of[character] for character in text if character in class_of]

    def label_text(self, text: str) -> str:
        """Return a label as it is learnt and compared: in lower case without a dictionary."""
        return text.lower() if self.lowers else text

    def unknown(self, text: str) -> set[str]:
        """Return the characters of `text` that have no class."""
        return set(text) - self.class_of.keys()

    def text_of(self, indices: Iterable[int]) -> str:
        """Return the text of class indices 1 .. K-1, without blanks."""
        return "".join(self.characters[index - 1] for index in indices)

    def check_head(self, num_classes: int, where: str) -> None:
        """Refuse a head whose number of classes differs from this charset's.

        Args:
            num_classes: K of the network's last layer.
            where: what the network was read from, for the message.

        Raises:
            ArtifactError: naming `use_space_char` when the two differ by one.
        """
        if num_classes == self.num_classes:
            return
        message = (
            f"{where}: the dictionary and the network disagree: expected {self.num_classes} "
            f"classes ({len(self.characters)} characters + blank), got a head of {num_classes}"
        )
        if num_classes == self.num_classes + 1:
            message += "; it looks trained with the space: set use_space_char to true"
        elif num_classes == self.num_classes - 1 and self.characters[-1] == SPACE:
            message += "; it looks trained without the space: set use_space_char to false"
        else:
            message += "; use the dictionary the network was trained with"
        raise ArtifactError(message)


def _repeated_lines(characters: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return the first and the last line of each character that is listed more than once."""
    lines: dict[str, tuple[int, int]] = {}
    for line, character in enumerate(characters, start=1):
        lines[character] = (lines.get(character, (line,))[0], line)
    return {character: (first, last) for character, (first, last) in lines.items() if first < last}


@lru_cache(maxsize=64)
def _warn_of_repeated(num_listed: int, repeated: tuple[tuple[str, int, int], ...]) -> None:
    """Warn of a dictionary once per process, however often its charset is built."""
    character, first, last = repeated[0]
    logger.warning(
        "the dictionary lists %d of its %d characters more than once, %r on lines %d and %d: every "
        "class reads as its character, and labels are encoded with the last, as in PaddleOCR",
        len(repeated),
        num_listed,
        character,
        first,
        last,
    )


def read_dictionary(path: str | Path) -> list[str]:
    """Read the lines of a PaddleOCR dictionary file: UTF-8, one character per line.

    Only line ends are stripped, so that a line of a space is that space. A byte-order mark before
    the first character is dropped.

    Raises:
        ArtifactError: if the file is missing, empty, too large for a dictionary or not UTF-8.
    """
    try:
        with found_along(path).open("rb") as file:
            content = file.read(MAX_DICTIONARY_BYTES + 1)
        if len(content) > MAX_DICTIONARY_BYTES:
            raise ArtifactError(
                f"{path} is no dictionary: expected one character per line, got more than "
                f"{MAX_DICTIONARY_BYTES} bytes; give the file that the model was trained with"
            )
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ArtifactError(
            f"cannot read the dictionary {path}: {error.strerror}; "
            "give the file with one character per line that the model was trained with"
        ) from error
    except UnicodeDecodeError as error:
        raise ArtifactError(
            f"the dictionary {path} is not UTF-8: byte {error.start} cannot be decoded; "
            "save it as UTF-8, one character per line"
        ) from error
    return listed_in(text, f"the dictionary {path}")


def listed_in(text: str, where: str) -> list[str]:
    """Split a list of characters, one per line, into entries; a final line end adds none.

    Args:
        text: the list.
        where: the file that holds it, for messages.

    Raises:
        ArtifactError: if it is empty, or has too many or too long entries.
    """
    num_lines = text.count("\n") + (not text.endswith("\n"))
    if num_lines > MAX_CHARACTERS:
        raise ArtifactError(
            f"{where} is no list of characters: expected up to {MAX_CHARACTERS} lines, got "
            f"{num_lines}; give the list that the model was trained with"
        )
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise ArtifactError(f"{where} is empty: expected one character per line")
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_CHARACTER_LENGTH:
            raise ArtifactError(
                f"{where} is no list of characters: expected one per line, got {len(line)} code "
                f"points on line {number}; give the list that the model was trained with"
            )
    return lines


def build_charset(dictionary: str | Path | Sequence[str] | None, use_space_char: bool) -> Charset:
    """Build the charset as PaddleOCR does from `character_dict_path` and `use_space_char`.

    Args:
        dictionary: path of a dictionary file, its lines, or None for digits and lower-case
            letters (to which PaddleOCR never adds the space, and for which it converts labels to
            lower case).
        use_space_char: whether the space is appended as the last class.

    Raises:
        ArtifactError: as `read_dictionary` and `Charset`.
    """
    if dictionary is None:
        return Charset(DEFAULT_CHARACTERS, lowers=True)
    lines = read_dictionary(dictionary) if isinstance(dictionary, str | Path) else list(dictionary)
    return Charset((*lines, SPACE) if use_space_char else tuple(lines))
