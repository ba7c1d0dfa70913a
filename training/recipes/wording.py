"""The texts of rendered sets: scene words, words and phrases, each of one language.

Accents are learnt from words that have them, so every text keeps to one language, and rare words
come as well as frequent ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from runtime.errors import DatasetError
from training.data.synthetic.patterns import code, date, digits, number, pick, price

_SEED = 2027
_OF_LABELS = 0.3
"""Share of entries from the packs' labels: the words that these documents really use."""
_PATTERNS = (number, date, price, code)
_SHOPS = (
    "CAFÉ", "BAR", "HOTEL", "EXIT", "SALE", "OPEN", "TAXI", "BUS", "STOP", "METRO", "PIZZA",
    "BANK", "SHOP", "ATM", "WC", "P", "i", "RESTAURANT", "BOULANGERIE", "PHARMACIE", "TABAC",
    "PRESSE", "MARKET", "BURGER", "KEBAB", "SUSHI", "FARMACIA", "PANADERÍA", "TRATTORIA",
    "BÄCKEREI", "APOTHEKE", "METZGEREI", "KAVÁRNA", "LÉKÁRNA", "APTEKA", "SKLEP", "KAWIARNIA",
    "LIVRARIA", "PADARIA", "Ltd.", "Co.", "PUSH", "PULL", "EXPRESS", "FASHION", "BEAUTY",
    "COFFEE", "TEA", "ICE", "CREAM", "FOOD", "COURT", "LIFT", "LEVEL", "GATE",
)  # fmt: skip
_STREETS = (
    ("Rue de", "Rue du", "Avenue", "Place", "Quai de", "Bd"),
    ("Via", "Piazza", "Corso", "Viale"),
    ("Calle", "Plaza", "Avenida", "Paseo de"),
    ("ul.", "Plac", "Aleja"),
    ("Street", "Road", "Lane", "Ave", "St."),
)
_CATALOGUE = (
    "Öl auf Leinwand", "Aquarell", "Huile sur toile", "Kupferstich", "Gravure", "Dessin",
    "Zeichnung",
    "Olio su tela", "Öl auf Holz", "Marmor", "Bronze", "Pastel", "Lithographie", "Radierung",
)  # fmt: skip
_REFERENCES = (
    "vol.", "t.", "p.", "pp.", "fol.", "n°", "Nr.", "S.", "Bd.", "ch.", "art.", "§", "cf.",
)  # fmt: skip
_TOTALS = (
    "TOTAL", "SUBTOTAL", "CASH", "CHANGE", "TAX", "GST 6%", "MwSt. 19%", "TVA 20%", "IVA 22%",
    "SUMME", "RAZEM", "CELKEM", "ROUNDING", "QTY", "INVOICE NO", "TEL", "FAX",
)  # fmt: skip
_QUOTES = ("“”", "„“", "«»", '""', "\u2018\u2019", "()")

Draw = Callable[[], str]


class Wording:
    """Draws words and phrases of several languages.

    Args:
        lists: words by language, the most frequent first.
        labels: words as the packs have them.
        rng: the only source of chance.
    """

    def __init__(
        self, lists: Mapping[str, Sequence[str]], labels: Sequence[str], rng: np.random.Generator
    ) -> None:
        self._lists = [tuple(words) for words in lists.values() if words]
        self._labels = labels
        self._rng = rng

    def word(self, words: Sequence[str]) -> str:
        """Draw a word in lower case: frequent ones often, and each of them at times."""
        if self._rng.random() < 0.5:
            return pick(words, self._rng)
        return words[min(len(words) - 1, int(len(words) ** self._rng.random()) - 1)]

    def language(self) -> Sequence[str]:
        """Draw a language."""
        return pick(self._lists, self._rng)

    def scene(self) -> str:
        """Draw what signs say: short, in capitals most of the time."""
        style = self._rng.random()
        if style < 0.1:
            return pick(_SHOPS, self._rng)
        if style < 0.17:
            return digits(self._rng, 1, 4)
        if style < 0.21:
            return pick(_PATTERNS, self._rng)(self._rng)
        if style < 0.25:
            street = pick(pick(_STREETS, self._rng), self._rng)
            return f"{street} {self.word(self.language()).capitalize()}"
        if style < 0.25 + _OF_LABELS / 2 and self._labels:
            return pick(self._labels, self._rng)
        word = self.word(self.language())
        case = self._rng.random()
        return word.upper() if case < 0.6 else word.capitalize() if case < 0.8 else word

    def single(self) -> str:
        """Draw one word, number, date, price or code."""
        style = self._rng.random()
        if style < _OF_LABELS and self._labels:
            return pick(self._labels, self._rng)
        if style < _OF_LABELS + 0.15:
            return pick(_PATTERNS, self._rng)(self._rng)
        word = self.word(self.language())
        case = self._rng.random()
        word = word if case < 0.5 else word.capitalize() if case < 0.75 else word.upper()
        return self._marked(word)

    def phrase(self) -> str:
        """Draw several words that stand together in a document."""
        draws: tuple[Draw, ...] = (
            self._sentence, self._sentence, self._sentence, self._name, self._reference,
            self._entry, self._receipt,
        )  # fmt: skip
        return pick(draws, self._rng)()

    def _sentence(self) -> str:
        words = self.language()
        count = int(self._rng.integers(2, 9))
        drawn = [self.word(words) for _ in range(count)]
        drawn = [word.capitalize() if self._rng.random() < 0.12 else word for word in drawn]
        if self._rng.random() < 0.4:
            drawn[0] = drawn[0].capitalize()
        if self._rng.random() < 0.1:
            drawn = [word.upper() for word in drawn]
        for place in range(count):
            if self._rng.random() < 0.12:
                drawn[place] += pick(",,,;:", self._rng)
        text = " ".join(drawn)
        if self._rng.random() < 0.12:
            # A line that ends within a word.
            return text + "-"
        return (
            text + pick(".....!?", self._rng) if self._rng.random() < 0.35 else self._marked(text)
        )

    def _name(self) -> str:
        words = self.language()
        first, last = (self.word(words).capitalize() for _ in range(2))
        forms = (
            f"{first} {last}",
            f"{first[0]}. {last}",
            f"{last}, {first}",
            f"{last.upper()}, {first}",
        )
        return pick(forms, self._rng)

    def _reference(self) -> str:
        mark, page = pick(_REFERENCES, self._rng), digits(self._rng, 1, 3)
        year = 1500 + int(self._rng.integers(530))
        forms = (
            f"{mark} {page}",
            f"{self._name()}, {mark} {page}.",
            f"({year}), {mark} {page}",
            f"{year}.",
        )
        return pick(forms, self._rng)

    def _entry(self) -> str:
        size = f"{digits(self._rng, 2, 3)} \u00d7 {digits(self._rng, 2, 3)} cm"
        forms = (
            f"{digits(self._rng, 1, 3)}. {self._name()}",
            f"{pick(_CATALOGUE, self._rng)}, {size}",
            f"{pick(_CATALOGUE, self._rng)}. — {self._name()}",
            f"{self.word(self.language()).capitalize()} . . . . {digits(self._rng, 1, 4)}",
        )
        return pick(forms, self._rng)

    def _receipt(self) -> str:
        amount = f"{int(self._rng.integers(1, 99999)) / 100:.2f}"
        item = self.word(self.language()).upper()
        forms = (
            f"{pick(_TOTALS, self._rng)}: {amount}", f"{pick(_TOTALS, self._rng)} {amount}",
            f"{digits(self._rng, 1, 2)} x {item} {amount}", f"{item} {code(self._rng)}",
            date(self._rng),
        )  # fmt: skip
        return pick(forms, self._rng)

    def _marked(self, text: str) -> str:
        style = self._rng.random()
        if style < 0.14:
            return text + pick(".,,.:;!?", self._rng)
        if style < 0.2:
            marks = pick(_QUOTES, self._rng)
            return marks[0] + text + marks[1]
        return text


def texts(
    kind: str, count: int, lists: Mapping[str, Sequence[str]], labels: Sequence[str]
) -> list[str]:
    """Draw `count` entries that a set's lines are made of.

    Args:
        kind: `scene`, `words` or `lines`.
        count: how many.
        lists: words by language.
        labels: words as the packs' labels have them.

    Raises:
        DatasetError: if there is no such kind.
    """
    wording = Wording(lists, labels, np.random.default_rng([_SEED, len(kind), count]))
    draws: dict[str, tuple[Draw, ...]] = {
        "scene": (wording.scene,),
        "words": (wording.single, wording.single, wording.scene),
        "lines": (wording.phrase, wording.phrase, wording.single),
    }
    if kind not in draws:
        raise DatasetError(f"no wording {kind!r}: expected one of {', '.join(draws)}, got {kind}")
    return [draws[kind][number % len(draws[kind])]() for number in range(count)]
