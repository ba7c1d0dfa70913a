"""Reads the values of options; what is wrong with one raises `ArgumentTypeError`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

_MULTIPLES = {"k": 2**10, "m": 2**20, "g": 2**30}


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return number


def number(text: str) -> int:
    """Return a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text!r}")
    return int(text)


def multiple(text: str) -> int:
    """Return a whole number, with k, M or G behind it if need be."""
    number, factor = text, 1
    if text[-1:].lower() in _MULTIPLES:
        number, factor = text[:-1], _MULTIPLES[text[-1].lower()]
    if not number.isdecimal() or not int(number):
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 1, with k, M or G behind it if need be, got "
            f"{text!r}"
        )
    return int(number) * factor


def device(text: str) -> str:
    """Return the name of a device."""
    from runtime.engines import DEVICES

    return _one_of(DEVICES, text)


def precision(text: str) -> str:
    """Return the name of a precision."""
    from runtime.engines import PRECISIONS

    return _one_of(PRECISIONS, text)


def _one_of(choices: Sequence[str], text: str) -> str:
    if text not in choices:
        raise argparse.ArgumentTypeError(
            f"invalid choice: {text!r}, expected one of {', '.join(choices)}"
        )
    return text
