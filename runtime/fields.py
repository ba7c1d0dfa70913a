"""Checks the fields of a file against the values that they may hold."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.errors import ArtifactError

_MOST_CHARACTERS_SHOWN = 80
_LONGEST_TEXT = 4096
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Field:
    """The values that a field may hold.

    Args:
        expected: describes them, for the message.
        accepts: tells whether a value of any type is allowed; must not raise.
    """

    expected: str
    accepts: Callable[[Any], bool]


def check_fields(
    values: Mapping[str, Any], table: Mapping[str, Field], where: str, remedy: str
) -> None:
    """Refuse the first value that its field may not hold.

    Args:
        values: by field name; one for each field of the table.
        table: what each field may hold.
        where: what the values describe, for the message.
        remedy: what to do about it, for the message.

    Raises:
        ArtifactError: naming the field, what was expected and what was got, in one line.
    """
    for name, field in table.items():
        if name not in values:
            raise ArtifactError(f"{where}: {name}: expected {field.expected}, got none; {remedy}")
        if not field.accepts(values[name]):
            raise ArtifactError(
                f"{where}: {name}: expected {field.expected}, got {shown(values[name])}; {remedy}"
            )


def whole(lowest: int, highest: int) -> Field:
    """Return a field of whole numbers within bounds, both included."""

    def accepts(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest

    return Field(f"a whole number from {lowest} to {highest}", accepts)


def number(lowest: float, highest: float) -> Field:
    """Return a field of numbers within bounds, both included; neither NaN nor infinite."""

    def accepts(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and lowest <= value <= highest

    return Field(f"a number from {lowest:g} to {highest:g}", accepts)


def choice(*values: Any) -> Field:
    """Return a field of some values alone, each of the very type of those listed."""

    def accepts(value: Any) -> bool:
        return any(type(value) is type(known) and value == known for known in values)

    return Field(" or ".join(repr(value) for value in values), accepts)


def text(shortest: int = 0, longest: int = _LONGEST_TEXT) -> Field:
    """Return a field of texts that can be written as UTF-8."""

    def accepts(value: Any) -> bool:
        return isinstance(value, str) and shortest <= len(value) <= longest and is_unicode(value)

    return Field(f"a text of {shortest} to {longest} characters", accepts)


def matching(pattern: str, expected: str, longest: int = _LONGEST_TEXT) -> Field:
    """Return a field of texts that a regular expression matches as a whole."""
    compiled = re.compile(pattern)

    def accepts(value: Any) -> bool:
        return isinstance(value, str) and len(value) <= longest and bool(compiled.fullmatch(value))

    return Field(expected, accepts)


def sha256(or_empty: bool = False) -> Field:
    """Return a field of SHA-256 hashes in lower-case hexadecimal."""

    def accepts(value: Any) -> bool:
        if not isinstance(value, str):
            return False
        return bool(_SHA256.fullmatch(value)) or (or_empty and value == "")

    return Field("64 hexadecimal digits" + (" or nothing" if or_empty else ""), accepts)


def optional(field: Field) -> Field:
    """Return a field that may hold None as well."""
    return Field(f"{field.expected}, or null", lambda value: value is None or field.accepts(value))


def mapping() -> Field:
    """Return a field of objects with names."""

    def accepts(value: Any) -> bool:
        return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)

    return Field("an object", accepts)


def is_unicode(value: str) -> bool:
    """Tell whether a text can be written as UTF-8: it holds no half of a surrogate pair."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def in_one_line(value: str) -> str:
    """Return a text with what is not printable, line ends among it, written as escapes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in value
    )


def nests_deeper_than(most: int, value: Any) -> bool:
    """Tell whether lists and objects that JSON holds lie in one another deeper than `most`."""
    layer = [value]
    for _ in range(most + 1):
        inner = (part.values() if isinstance(part, dict) else part for part in layer)
        layer = [part for parts in inner for part in parts if isinstance(part, dict | list)]
        if not layer:
            return False
    return True


def shown(value: Any) -> str:
    """Return a short form of any value for a message: one line of printable characters."""
    try:
        words = reprlib.repr(value)
    except ValueError:  # Python refuses to write out an integer of thousands of digits
        words = "a huge number"
    words = words.encode("utf-8", "backslashreplace").decode()
    if len(words) > _MOST_CHARACTERS_SHOWN:
        words = f"{words[:_MOST_CHARACTERS_SHOWN]}…"
    return words
