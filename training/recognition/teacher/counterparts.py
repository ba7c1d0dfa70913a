"""Which characters of one dictionary stand for which of another: the same, or ones that look alike.

Looks count, not meaning: `²` stays apart from `2`, a Cyrillic letter counts as the Latin one of its
shape where the other dictionary has no Cyrillic. For a character without a counterpart nothing is
guessed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from runtime.recognition.charset import BLANK_INDEX, Charset

_OF_ANOTHER_WIDTH = ("<wide>", "<narrow>", "<noBreak>")
"""Tags of Unicode's decompositions that change no shape."""

_TO_FULL_WIDTH = 0xFEE0
"""From an ASCII character to its full width form."""
_GROUPS = (
    " \u00a0\u2002\u2003\u2005\u2007\u2009\u202f\u3000",
    "'\u2019\u2018\u201b\u02bc\u2032\u00b4\u0060\u02b9\u055a",
    '"\u201d\u201c\u201f\u2033\u02ba\u301d\u301e',
    ",\u201a",
    "-\u2010\u2011\u2012\u2013\u2212\u2014\u2015\u2500\u02d7\ufe63\ufe58\u30fc",
    "\u00b7\u2022\u2027\u2219\u22c5\u30fb\u0387\u16eb",
    "~\u223c\u301c\u02dc",
    "/\u2044\u2215",
    "|\u2223\u2502\u01c0",
    ":\u2236\u02d0\ua789",
    "*\u2217\u204e",
    "<\u2039\u3008\u2329",
    ">\u203a\u3009\u232a",
    "\u00ab\u300a\u226a",
    "\u00bb\u300b\u226b",
    "\u00b0\u02da\u00ba",
    "\u00d7\u2715\u2a09",
    "\u00b5\u03bc",
    "\u03a9\u2126",
    "\u0394\u2206",
    "\u03a3\u2211",
    "\u03a0\u220f",
    "\u00d0\u0110",
    "\u2026\u22ef",
)
"""Signs that are drawn alike; a character stands for the first of its group that there is."""

_LETTERS = {
    "A": "\u0410\u0391",
    "B": "\u0412\u0392",
    "C": "\u0421\u216d",
    "D": "\u216e",
    "E": "\u0415\u0395",
    "F": "\u03dc",
    "H": "\u041d\u0397",
    "I": "\u0406\u0399\u2160\u04c0",
    "J": "\u0408",
    "K": "\u041a\u039a",
    "L": "\u216c",
    "M": "\u041c\u039c\u216f",
    "N": "\u039d",
    "O": "\u041e\u039f",
    "P": "\u0420\u03a1",
    "Q": "\u051a",
    "S": "\u0405",
    "T": "\u0422\u03a4",
    "V": "\u2164",
    "W": "\u051c",
    "X": "\u0425\u03a7\u2169",
    "Y": "\u04ae\u03a5",
    "Z": "\u0396",
    "a": "\u0430",
    "c": "\u0441\u217d",
    "d": "\u0501\u217e",
    "e": "\u0435",
    "h": "\u04bb",
    "i": "\u0456\u2170",
    "j": "\u0458",
    "l": "\u217c\u04cf",
    "m": "\u217f",
    "o": "\u043e\u03bf\u0585",
    "p": "\u0440",
    "q": "\u051b",
    "s": "\u0455",
    "v": "\u2174\u0475",
    "w": "\u051d",
    "x": "\u0445\u2179",
    "y": "\u0443",
}
"""Letters of other alphabets, and numerals, that are drawn as Latin ones."""


def _alike() -> dict[str, str]:
    """Return, for each character that looks like others, these in order of preference."""
    found: dict[str, str] = {}
    for group in (*_GROUPS, *(latin + others for latin, others in _LETTERS.items())):
        for character in group:
            found[character] = found.get(character, "") + group.replace(character, "")
    return found


_ALIKE = _alike()


def look_alikes(character: str) -> list[str]:
    """Return characters that are drawn as this one, the nearest first."""
    if len(character) != 1:
        return []
    plain = character
    if unicodedata.decomposition(character).startswith(_OF_ANOTHER_WIDTH):
        plain = unicodedata.normalize("NFKC", character)
    plain = unicodedata.normalize("NFC", plain)
    found = [plain, *_ALIKE.get(character, ""), *_ALIKE.get(plain, "")]
    if len(plain) == 1 and "!" <= plain <= "~":
        found.append(chr(ord(plain) + _TO_FULL_WIDTH))
    return [other for other in dict.fromkeys(found) if other != character]


class Counterparts:
    """What each class of a network with a dictionary of its own is among the classes of a run.

    The joint classes are those of the run, and behind them the network's characters that have no
    counterpart there, so that nothing that was read is lost.

    Args:
        own: characters of the network.
        shared: characters of the run.
    """

    def __init__(self, own: Charset, shared: Charset) -> None:
        self.own, self.shared = own, shared
        table, absent = [BLANK_INDEX], []
        same, alike = 0, {}
        for character in own.characters:
            found = self._counterpart(character)
            if found is None:
                absent.append(character)
                table.append(shared.num_classes + len(absent) - 1)
                continue
            table.append(shared.class_of[found])
            if found == character:
                same += 1
            else:
                alike[character] = found
        self.table: NDArray[np.int64] = np.array(table, np.int64)
        """The joint class of each class of the network, [classes of the network]."""
        self.num_same = same
        self.alike: dict[str, str] = alike
        """Characters of the network that count as others of the run."""
        self.absent: tuple[str, ...] = tuple(absent)
        """Characters of the network without a counterpart."""

    def _counterpart(self, character: str) -> str | None:
        """Return the run's character for one of the network's."""
        for candidate in (character, *look_alikes(character)):
            found = self.shared.label_text(candidate)
            if found in self.shared.class_of:
                return found
        return None

    @cached_property
    def characters(self) -> tuple[str, ...]:
        """The character of each joint class from 1 on."""
        return (*self.shared.characters, *self.absent)

    @cached_property
    def unread(self) -> tuple[str, ...]:
        """Characters of the run that the network never reads."""
        class_of = self.shared.class_of
        read = set(self.table.tolist())
        return tuple(character for character, number in class_of.items() if number not in read)

    def text_of(self, classes: Sequence[int]) -> str:
        """Return the text of joint classes, without blanks."""
        return "".join(self.characters[number - 1] for number in classes)
