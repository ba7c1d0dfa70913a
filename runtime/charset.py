"""The ordered characters a recogniser can emit: one copy for training, export and serving."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runtime.errors import ArtifactError

BLANK_INDEX = 0
SPACE = " "
DEFAULT_CHARACTERS = tuple("0123456789abcdefghijklmnopqrstuvwxyz")
"""What PaddleOCR uses when `character_dict_path` is empty."""


@dataclass(frozen=True)
class Charset:
    """Characters of classes 1 .. K-1; class 0 is the CTC blank.

    Args:
        characters: the characters in class order, without the blank. A space may stand twice,
            because PaddleOCR's own `en_dict.txt` ends in one and `use_space_char` appends
            another; any other repetition is refused.

    Raises:
        ArtifactError: if a character other than the space is listed twice, or none at all is.
    """

    characters: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.characters:
            raise ArtifactError(
                "the charset is empty: expected at least one character, got none; "
                "give a dictionary file with one character per line"
            )
        first_line: dict[str, int] = {}
        for line, character in enumerate(self.characters, start=1):
            if character in first_line and character != SPACE:
                raise ArtifactError(
                    f"the dictionary lists {character!r} twice, on lines "
                    f"{first_line[character]} and {line}: expected every character once; "
                    "remove one of the two lines and retrain, or use the dictionary the "
                    "model was trained with"
                )
            first_line.setdefault(character, line)

    @property
    def num_classes(self) -> int:
        """K: the characters and the blank."""
        return len(self.characters) + 1

    @cached_property
    def class_of(self) -> dict[str, int]:
        """Class index of each character; of a repeated space the last, as in PaddleOCR."""
        return {character: index for index, character in enumerate(self.characters, start=1)}

    def encode(self, text: str) -> list[int]:
        """Class indices of the characters of `text` that the charset knows, in order.

        Unknown characters are left out, as PaddleOCR's `CTCLabelEncode` does; `unknown` names
        them.
        """
        class_of = self.class_of
        return [class_of[character] for character in text if character in class_of]

    def unknown(self, text: str) -> set[str]:
        """The characters of `text` that no class stands for."""
        return set(text) - self.class_of.keys()

    def text_of(self, indices: Iterable[int]) -> str:
        """Text of class indices 1 .. K-1 (no blank among them)."""
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


def read_dictionary(path: str | Path) -> list[str]:
    """Lines of a PaddleOCR dictionary file: UTF-8, one character a line.

    Only line ends are stripped, so that a line holding a space is that space. A byte-order mark
    before the first character is dropped.

    Raises:
        ArtifactError: if the file is missing, empty or not UTF-8.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
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
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise ArtifactError(f"the dictionary {path} is empty: expected one character per line")
    return [line.rstrip("\r") for line in lines]


def build_charset(dictionary: str | Path | Sequence[str] | None, use_space_char: bool) -> Charset:
    """Charset as PaddleOCR derives it from `character_dict_path` and `use_space_char`.

    Args:
        dictionary: path of a dictionary file, its lines, or None for digits and lower-case
            letters (to which PaddleOCR never adds the space).
        use_space_char: whether the space is appended as the last class.

    Raises:
        ArtifactError: as `read_dictionary` and `Charset`.
    """
    if dictionary is None:
        return Charset(DEFAULT_CHARACTERS)
    lines = read_dictionary(dictionary) if isinstance(dictionary, str | Path) else list(dictionary)
    return Charset((*lines, SPACE) if use_space_char else tuple(lines))
