"""What a request wants of its pages, as its address says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runtime.serve.bounds.refusal import Refusal
from runtime.serve.detail import OF_PAGES

FORMATS = ("json", "txt", "paddleocr", "hocr", "alto")
OTHER_NAMES = {"jsonl": "json", "text": "txt"}
"""Formats as the command line names them, and as this service did before."""

PDF_WAYS = ("auto", "text", "render")

_OPTIONS = ("format", "pages", "min_confidence", "pdf", "picture", "detail")
_RANGE = re.compile(r"([1-9][0-9]{0,6})(-([1-9][0-9]{0,6})?)?", re.ASCII)
_MOST_RANGES = 100
_MOST_SHOWN = 40


@dataclass(frozen=True)
class PageWish:
    """How the pages of a request are read and written.

    Args:
        form: one of `FORMATS`.
        ranges: first and last page, from 1, of those that are wanted; None for an open end, and
            None for all pages.
        min_confidence: lines below it are left out; None keeps all.
        pdf: one of `PDF_WAYS`.
        has_picture: whether a record holds the page's picture, made smaller.
        detail: one of `OF_PAGES`: how much of a page a record holds.
    """

    form: str = "json"
    ranges: tuple[tuple[int, int | None], ...] | None = None
    min_confidence: float | None = None
    pdf: str = "auto"
    has_picture: bool = False
    detail: str = "full"

    def chosen(self, num_pages: int) -> Sequence[int]:
        """Return the numbers, from 1, of the wanted pages of so many, in their order."""
        if self.ranges is None:
            return range(1, num_pages + 1)
        numbers: set[int] = set()
        for first, last in self.ranges:
            numbers.update(range(first, min(last or num_pages, num_pages) + 1))
        return sorted(numbers)


def options_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return options by their names.

    Args:
        pairs: names and values, as an address has them.

    Raises:
        Refusal: 400 if one is given more than once.
    """
    options: dict[str, str] = {}
    for name, value in pairs:
        if name in options:
            values = f"{options[name][:_MOST_SHOWN]!r} and {value[:_MOST_SHOWN]!r}"
            raise Refusal(
                400, f"{name[:_MOST_SHOWN]} is given more than once, {values}: expected it once"
            )
        options[name] = value
    return options


def wish_of(options: Mapping[str, str]) -> PageWish:
    """Read what is wanted from options by their names.

    Args:
        options: of an address or of a message.

    Raises:
        Refusal: 400 if an option is unknown or impossible.
    """
    for name in options:
        if name not in _OPTIONS:
            raise Refusal(
                400, f"unknown option {name[:_MOST_SHOWN]!r}: expected {', '.join(_OPTIONS)}"
            )
    form = choice_of(options, "format", FORMATS, OTHER_NAMES)
    has_picture = choice_of(options, "picture", ("0", "1")) == "1"
    if has_picture and form != "json":
        raise Refusal(400, f"picture=1 is a part of records: expected format=json, got {form}")
    detail = choice_of(options, "detail", OF_PAGES)
    if detail != "full" and form != "json":
        raise Refusal(400, f"detail={detail} is about records: expected format=json, got {form}")
    return PageWish(
        form,
        _ranges(options.get("pages")),
        _share(options.get("min_confidence")),
        choice_of(options, "pdf", PDF_WAYS),
        has_picture,
        detail,
    )


def choice_of(
    options: Mapping[str, str],
    name: str,
    known: Sequence[str],
    others: Mapping[str, str] | None = None,
) -> str:
    """Return the value of an option, by default the first of those that are known.

    Args:
        options: by their names.
        name: of the option.
        known: its values.
        others: further names of values.
    """
    value = options.get(name, known[0])
    value = (others or {}).get(value, value)
    if value not in known:
        raise Refusal(
            400, f"unknown {name} {value[:_MOST_SHOWN]!r}: expected one of {', '.join(known)}"
        )
    return value


def _ranges(text: str | None) -> tuple[tuple[int, int | None], ...] | None:
    """Return the ranges of pages that a text such as `1-3,7,9-` names."""
    if text is None:
        return None
    ranges: list[tuple[int, int | None]] = []
    for part in text.split(",", _MOST_RANGES):
        found = _RANGE.fullmatch(part.strip())
        first = int(found[1]) if found else 0
        last = first if found is None or not found[2] else int(found[3]) if found[3] else None
        if found is None or (last is not None and last < first):
            raise Refusal(
                400, f"impossible pages {text[:_MOST_SHOWN]!r}: expected e.g. 2, 1-3 or 1-3,7,9-"
            )
        ranges.append((first, last))
    return tuple(ranges)


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise Refusal(
            400,
            f"impossible min_confidence {text[:_MOST_SHOWN]!r}: expected a number from 0 to 1",
        )
    return number
