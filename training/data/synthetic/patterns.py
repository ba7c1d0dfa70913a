"""Numbers, dates, prices, codes and addresses, which documents hold besides words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from training.data.synthetic.words import MONTHS, UNITS, WORDS

CODE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
HEXADECIMAL = "0123456789abcdef"
TOP_LEVEL_DOMAINS = ("com", "de", "org", "net", "eu", "info", "co.uk", "io", "at")
CURRENCIES = ("$", "€", "£", "EUR ", "USD ", "¥", "CHF ", "RM ")

Item = TypeVar("Item")


def pick(items: Sequence[Item], rng: np.random.Generator) -> Item:
    """Draw one of `items`, all equally likely."""
    return items[int(rng.random() * len(items))]


def digits(rng: np.random.Generator, fewest: int, most: int) -> str:
    """Make a string of `fewest` .. `most` digits, leading zeros allowed."""
    count = int(rng.integers(fewest, most + 1))
    return f"{int(rng.integers(10**count)):0{count}d}"


def number(rng: np.random.Generator) -> str:
    """Make a number as printed: grouped, signed, with decimals, a unit or a percent sign."""
    # Even in the number of digits, not in value, or short numbers would be rare.
    value = int(rng.integers(10 ** int(rng.integers(1, 7))))
    style = rng.random()
    if style < 0.35:
        return str(value)
    if style < 0.5:
        return f"{value / 100:.2f}"
    if style < 0.6:
        return f"{value:,}" if rng.random() < 0.5 else f"{value:,}".replace(",", ".")
    if style < 0.7:
        return f"{pick('+-', rng)}{value / 10:.1f}"
    if style < 0.8:
        return f"{value % 101}%"
    joint = " " if rng.random() < 0.5 else ""
    return f"{value % 1000}{joint}{pick(UNITS, rng)}"


def date(rng: np.random.Generator) -> str:
    """Make a date or a time of day in one of the common forms."""
    year, month, day = (int(rng.integers(*span)) for span in ((1950, 2040), (1, 13), (1, 29)))
    forms = (
        f"{day:02d}.{month:02d}.{year}",
        f"{year}-{month:02d}-{day:02d}",
        f"{month:02d}/{day:02d}/{year % 100:02d}",
        f"{day}/{month}/{year}",
        f"{day} {pick(MONTHS, rng)} {year}",
        f"{day}. {pick(MONTHS, rng)}",
        f"{day % 24:02d}:{month * 4 % 60:02d}",
        f"{day % 24:02d}:{month * 4:02d}:{year % 60:02d}",
    )
    return pick(forms, rng)


def price(rng: np.random.Generator) -> str:
    """Make an amount of money."""
    amount = f"{int(rng.integers(10 ** int(rng.integers(2, 7)))) / 100:,.2f}"
    style = rng.random()
    if style < 0.6:
        return pick(CURRENCIES, rng) + amount
    swapped = amount.translate(str.maketrans(",.", ".,"))
    return f"{swapped} €" if style < 0.9 else f"{swapped.split(',')[0]},-"


def code(rng: np.random.Generator) -> str:
    """Make a serial number, article number, plate or telephone number."""

    def run(source: str, fewest: int, most: int) -> str:
        chosen = rng.integers(len(source), size=int(rng.integers(fewest, most + 1)))
        return "".join(source[position] for position in chosen)

    style = int(rng.integers(7))
    if style == 0:
        return run(CODE_CHARACTERS, 3, 10)
    if style == 1:
        return f"{run(CODE_CHARACTERS, 2, 4)}-{digits(rng, 3, 5)}-{run(CODE_CHARACTERS, 1, 3)}"
    if style == 2:
        return f"{pick(('#', 'No. ', 'Nr. ', 'Art. '), rng)}{digits(rng, 2, 8)}"
    if style == 3:
        return f"{run(CODE_CHARACTERS[:26], 1, 3)} {run(CODE_CHARACTERS[:26], 1, 2)} " + digits(
            rng, 1, 4
        )
    if style == 4:
        return f"+{digits(rng, 2, 2)} {digits(rng, 2, 4)} {digits(rng, 4, 8)}"
    if style == 5:
        return f"({digits(rng, 3, 4)}) {digits(rng, 3, 3)}-{digits(rng, 4, 4)}"
    return run(HEXADECIMAL, 4, 12)


def address(rng: np.random.Generator) -> str:
    """Make an e-mail address, a web address or a file path."""
    first, second = pick(WORDS, rng).lower(), pick(WORDS, rng).lower()
    domain = f"{second}.{pick(TOP_LEVEL_DOMAINS, rng)}"
    forms = (
        f"{first}@{domain}",
        f"{first}.{digits(rng, 1, 2)}@{domain}",
        f"www.{domain}",
        f"https://{domain}/{first}",
        f"{domain}/{first}_{digits(rng, 1, 3)}",
        f"{first}_{second}.{pick(('pdf', 'txt', 'jpg', 'doc'), rng)}",
    )
    return pick(forms, rng)


PATTERNS: tuple[tuple[Callable[[np.random.Generator], str], float], ...] = (
    (number, 0.14),
    (date, 0.05),
    (price, 0.06),
    (code, 0.08),
    (address, 0.03),
)
"""Each pattern and its share, against 0.6 for words."""
