"""Classes with exactly the attributes of a real binding, and behaviour for some of them.

Reading or setting a public attribute that the real class lacks is an AttributeError. One that the
real class has and nobody has given behaviour can be set and read back; reading it before is a
NotImplementedError, so that a test notices.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "tensorrt_api"
"""Public attributes of each class of the Python bindings, as `dir` lists them."""


def read_api(version: str) -> dict[str, list[str]]:
    """Return the attributes by class.

    Args:
        version: `10.16`, `11.4` or `rtx-1.7`.
    """
    path = FOLDER / f"tensorrt-{version}.json"
    entries: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def is_enum(name: str, attributes: Iterable[str]) -> bool:
    """Whether a class of the binding is an enumeration: it has upper-case members only."""
    members = [
        attribute for attribute in attributes if attribute not in ("name", "value", "itemsize")
    ]
    is_upper = all(member == member.upper() for member in members)
    return bool(members) and is_upper and not name.startswith("Dims")


_BITS = ("EngineInvalidityDiagnostics",)
"""Enumerations whose members are added up."""


class Enumeration(enum.Enum):
    """As pybind11's: converts to int, but `1 << member` and `member == 3` do not work."""

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return int(self.value)


def strict_enum(name: str, attributes: Iterable[str]) -> type[Enumeration]:
    """An enumeration of the members listed."""
    members = [
        attribute for attribute in attributes if attribute not in ("name", "value", "itemsize")
    ]
    values = {member: index for index, member in enumerate(members)}
    if name in _BITS:
        values = {member: 1 << index for index, member in enumerate(members)}
    return Enumeration(name, values)  # type: ignore[return-value]


class Strict:
    """Base of the generated classes."""

    _api: frozenset[str] = frozenset()
    _is_generated = True

    def __setattr__(self, name: str, value: object) -> None:
        kind = type(self)
        # pybind11 gives instances of a user's subclass a dictionary of their own.
        is_ours = "_is_generated" in vars(kind)
        if is_ours and not name.startswith("_") and name not in kind._api:
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
        if is_ours and callable(getattr(kind, name, None)):
            raise AttributeError(f"{kind.__name__!r} object attribute {name!r} is read-only")
        object.__setattr__(self, name, value)


class Unfaked:
    """An attribute of the real class that has no behaviour here."""

    def __init__(self, owner: str, name: str) -> None:
        self._what, self._name = f"{owner}.{name}", name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        if self._name in vars(instance):
            return vars(instance)[self._name]
        raise NotImplementedError(f"the fake does not do {self._what}")

    def __set__(self, instance: Any, value: object) -> None:
        vars(instance)[self._name] = value


def strict_class(
    name: str,
    attributes: Iterable[str],
    behaviour: type,
    bases: tuple[type, ...],
    members: Mapping[str, Any],
) -> type:
    """A class of exactly `attributes`.

    Args:
        attributes: public names.
        behaviour: a class that implements some of them; what it implements beyond them is left
            out. Its private members are taken as they are.
        members: more of the same, by name.
    """
    api = frozenset(attributes)
    for base in bases:
        api |= getattr(base, "_api", frozenset())
    namespace: dict[str, Any] = {"_is_generated": True, "_api": api}
    written: dict[str, Any] = {
        key: value
        for kind in reversed(behaviour.__mro__[:-1])
        if kind not in bases
        for key, value in vars(kind).items()
        if key not in ("__dict__", "__weakref__", "__module__", "__qualname__")
    }
    written.update(members)
    namespace.update({key: value for key, value in written.items() if key.startswith("_")})
    for attribute in attributes:
        if attribute in written:
            namespace[attribute] = written[attribute]
        elif not any(hasattr(base, attribute) for base in bases):
            namespace[attribute] = Unfaked(name, attribute)
    return type(name, bases, namespace)
