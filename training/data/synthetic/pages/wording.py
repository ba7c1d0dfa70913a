"""What stands on a page: words and sentences, and the numbers and terms of business papers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from training.data.synthetic.patterns import address, code, date, digits, number, pick, price
from training.data.synthetic.words import WORDS

ACCENTS: tuple[str, ...] = (
    "",
    "äöüß",
    "éèêàçùôîï",
    "áčďéěíňóřšťúůýž",
    "ąćęłńóśźż",
    "áéíñóú",
    "æøå",
    "ãõçáéâê",
    "ğışçöü",
    "őűáéíóöü",
    "ăâîșț",
    "āēģīķļņšūž",
)
"""Letters of languages, each in its own pages."""

_ACCENTED = "".join(dict.fromkeys("".join(ACCENTS)))

LETTERS: Mapping[str, str] = {
    "latin": _ACCENTED + _ACCENTED.replace("ß", "").upper(),
    "greek": "".join(map(chr, (*range(0x391, 0x3A2), *range(0x3A3, 0x3AA), *range(0x3B1, 0x3CA))))
    + "άέήίόύώ",
    "cyrillic": "".join(map(chr, range(0x410, 0x450))) + "ЁёІіЇїЄєҐґ",
    "han": "".join(map(chr, range(0x4E00, 0x9FA0, 7))),
    "kana": "".join(map(chr, (*range(0x3041, 0x3094), *range(0x30A1, 0x30F7)))),
    "hangul": "".join(map(chr, range(0xAC00, 0xD7A0, 5))),
}
"""Letters of each script beyond ASCII; of the large ones a part."""

WITHOUT_SPACES = frozenset({"han", "kana"})

TERMS: tuple[str, ...] = tuple(
    term.strip()
    for line in """
TOTAL|SUBTOTAL|Sub Total|Total Amount|GRAND TOTAL|CASH|CHANGE|GST|Tax|VAT|Discount|Rounding
Amount Due|Balance|Qty|Item|Price|Amount|Description|Unit Price|No.|Code|Date|Time|Cashier
Table|Invoice No.|Receipt No.|Bill No.|Ref|Order|Customer|Name|Address|Phone|Tel|Fax|E-mail
Payment Mode|VISA|Card No.|Approval Code|Terminal|Member|Points|Salesperson|Doc No.|Due Date
Terms|Page|Signature|Summe|Betrag|MwSt.|Netto|Brutto|Bar|Rückgeld|Datum|Uhrzeit|Rechnung Nr.
Kunde|Menge|Preis|Artikel|Total TTC|Remise|Quantité|Montant|Facture|Total Payable|Net Total
Total Sales (Excl. GST)|Total Qty|GST Summary|Tax Code|Deposit|Delivery|Ship to|Bill to
Account|Department|Place of birth|Nationality|Surname|First name|Date of birth|Occupation
Remarks|Reference|Yours sincerely|Subject|Attn
""".strip().splitlines()
    for term in line.split("|")
)

FOOTERS: tuple[str, ...] = (
    "THANK YOU",
    "Thank you, please come again!",
    "GOODS SOLD ARE NOT RETURNABLE",
    "EXCHANGE WITHIN 7 DAYS WITH RECEIPT",
    "THIS IS A COMPUTER GENERATED INVOICE",
    "Please keep this receipt",
    "No signature is required",
    "Vielen Dank für Ihren Einkauf",
    "Merci de votre visite",
    "* * * END * * *",
)


class Wording:
    """Draws the texts of one page.

    Args:
        rng: the only source of chance.
        script: a key of `LETTERS`.
    """

    def __init__(self, rng: np.random.Generator, script: str = "latin") -> None:
        self.rng = rng
        self.script = script
        self._letters = LETTERS[script]
        self._accented: dict[str, str] = {}
        if script == "latin" and rng.random() < 0.7:
            for letter in pick(ACCENTS, rng):
                base = unicodedata.normalize("NFD", letter)[0]
                self._accented[base] = self._accented.get(base, "") + letter

    def word(self) -> str:
        """Draw a word."""
        if self.script != "latin" and self.rng.random() < 0.9:
            return self._foreign_word()
        word = pick(WORDS, self.rng)
        if self._accented and self.rng.random() < 0.4:
            place = int(self.rng.integers(len(word)))
            for position in (*range(place, len(word)), *range(place)):
                letters = self._accented.get(word[position])
                if letters:
                    return word[:position] + pick(letters, self.rng) + word[position + 1 :]
        return word

    def _foreign_word(self) -> str:
        longest = 4 if self.script in ("han", "hangul", "kana") else 10
        chosen = self.rng.integers(len(self._letters), size=int(self.rng.integers(1, longest + 1)))
        word = "".join(self._letters[place] for place in chosen)
        style = self.rng.random()
        return word.lower() if style < 0.75 else word.capitalize() if style < 0.92 else word.upper()

    def sentence(self) -> list[str]:
        """Draw the words of a sentence, with its marks."""
        rng = self.rng
        words = [
            self.word() if rng.random() > 0.06 else self.figure().replace(" ", "")
            for _ in range(int(rng.integers(4, 18)))
        ]
        if self.script in WITHOUT_SPACES:
            return ["".join(words) + "。"]
        for place in range(2, len(words) - 1):
            if rng.random() < 0.09:
                words[place] += pick((",", ",", ";", ":", " \u2013"), rng)
            elif rng.random() < 0.02:
                words[place] = pick(("({})", "“{}”", "„{}“", "'{}'"), rng).format(words[place])
        words[0] = words[0][:1].upper() + words[0][1:]
        words[-1] += pick(("...!?"), rng)
        return words

    def phrase(self, fewest: int = 1, most: int = 4, caps: float = 0.3) -> str:
        """Draw a few words without marks; in capitals with the probability `caps`."""
        rng = self.rng
        joint = "" if self.script in WITHOUT_SPACES else " "
        text = joint.join(self.word() for _ in range(int(rng.integers(fewest, most + 1))))
        chance = rng.random()
        if chance < caps:
            return text.upper()
        return text.title() if chance < caps + (1 - caps) * 0.5 else text

    def figure(self) -> str:
        """Draw a number, date, price or code."""
        return pick(_FIGURES, self.rng)(self.rng)

    def amount(self) -> str:
        """Draw an amount of money without its currency."""
        return f"{int(self.rng.integers(10 ** int(self.rng.integers(2, 6)))) / 100:,.2f}"

    def term(self) -> str:
        """Draw a term of business papers."""
        if self.script != "latin" and self.rng.random() < 0.8:
            return self.phrase(1, 2)
        term = pick(TERMS, self.rng)
        return term.upper() if self.rng.random() < 0.3 else term

    def value(self) -> str:
        """Draw what is filled in beside a term."""
        chance = self.rng.random()
        return self.phrase(1, 3) if chance < 0.4 else self.figure()

    def contact(self) -> str:
        """Draw a line of an address."""
        rng = self.rng
        forms: Sequence[Callable[[], str]] = (
            lambda: f"{pick(('No. ', 'Lot ', ''), rng)}{digits(rng, 1, 3)}, {self.phrase(1, 3)}",
            lambda: f"{digits(rng, 5, 5)} {self.phrase(1, 2)}",
            lambda: f"Tel: {digits(rng, 2, 3)}-{digits(rng, 6, 8)}",
            lambda: f"Tel {digits(rng, 3, 3)} {digits(rng, 4, 5)}  Fax {digits(rng, 3, 3)} 12",
            lambda: f"({digits(rng, 6, 9)}-{pick('ABKMVX', rng)})",
            lambda: f"GST ID: {digits(rng, 9, 12)}",
            lambda: address(rng),
            lambda: self.phrase(2, 4),
        )
        return pick(forms, rng)()

    def footer(self) -> str:
        """Draw a closing line of a receipt."""
        return pick(FOOTERS, self.rng) if self.rng.random() < 0.6 else self.phrase(2, 5)


_FIGURES: Sequence[Callable[[np.random.Generator], str]] = (
    *(number, number, date),
    *(price, price, code),
    lambda rng: f"{int(rng.integers(10 ** int(rng.integers(2, 6)))) / 100:.2f}",
    lambda rng: digits(rng, 1, 8),
)
