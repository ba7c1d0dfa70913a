"""Tables of builders by PaddleOCR's names, and what a config asks them to build.

The constructor's own signature is the schema: an unknown key, a missing one or a value of the
wrong type is found without building anything. Rules beyond types are checked by a constructor's
static `problems_of(options)`, which returns pairs of key and message.

Reading a section collects its problems and gives a `Component`; building one cannot fail on the
config any more.
"""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runtime.errors import ConfigError


@dataclass(frozen=True)
class Problem:
    """One mistake of a config.

    Args:
        path: where, e.g. `Architecture.Models.Student.Backbone.scale`.
        message: what, expected, got, remedy.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Problems(list[Problem]):
    """The problems of a config, collected while it is read.

    Attributes:
        without_effect: paths of PaddleOCR's keys that are accepted and change nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.without_effect: list[str] = []

    def add(self, path: str, message: str) -> None:
        """Add a problem."""
        self.append(Problem(path, message))

    def raise_any(self) -> None:
        """Raise all of them as one `ConfigError`, or return when there are none."""
        if self:
            raise ConfigError("\n".join(map(str, self)))


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Compose the message for a name that is not in a table, with the nearest known one."""
    known = sorted(map(str, known))
    nearest = [candidate for candidate in known if name and candidate.startswith(str(name))]
    if not nearest:  # whatever the case of its letters
        lower = {candidate.lower(): candidate for candidate in known}
        found = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.5)
        nearest = [lower[candidate] for candidate in found]
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"unknown {kind} {name!r}: expected one of {', '.join(known)}{hint}"


@dataclass(frozen=True)
class Component:
    """One component that a config asks for, its options checked.

    Args:
        name: in the config, e.g. `CTCHead`.
        options: from the config, checked; keys without effect are left out.
        path: its place in the config, for messages.
        builder: the constructor or function that builds it.
    """

    name: str
    options: Mapping[str, Any]
    path: str
    builder: Callable[..., Any]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters of its builder, by name."""
        return inspect.signature(self.builder).parameters

    @property
    def all_options(self) -> dict[str, Any]:
        """Its options; those that the config does not give have their defaults."""
        defaults = {
            key: parameter.default
            for key, parameter in self.parameters.items()
            if parameter.default is not inspect.Parameter.empty
        }
        return {**defaults, **self.options}

    def build(self, **injected: Any) -> Any:
        """Build it with the program's parameters; those that the builder lacks are left out."""
        wanted = {key: value for key, value in injected.items() if key in self.parameters}
        return self.builder(**{**wanted, **self.options})


@dataclass(frozen=True)
class Registry:
    """Builders of one kind of component by their config names.

    Args:
        kind: their kind, for messages, e.g. `backbone`.
        builders: constructor of each name.
        injected: parameters that the program supplies; a config may not set them.
        unused: keys that PaddleOCR's configs carry and that have no effect here.
        supplied: parameters that the program supplies where a config does not.
    """

    kind: str
    builders: Mapping[str, Callable[..., Any]]
    injected: frozenset[str] = frozenset()
    unused: frozenset[str] = frozenset()
    supplied: frozenset[str] = frozenset()

    def read(self, section: object, path: str, problems: Problems) -> Component | None:
        """Read a `{name: ..., **options}` mapping, without building it.

        Args:
            section: the content of the config there.
            path: its place in the config, for messages.
            problems: found problems are added to these.

        Returns:
            The component; None if there is a problem.
        """
        if not isinstance(section, Mapping):
            problems.add(path, f"expected a mapping with a name, got {section!r}")
            return None
        if "name" not in section:
            problems.add(path, f"expected the key name with a {self.kind}, got none")
            return None
        options = {key: value for key, value in section.items() if key != "name"}
        return self.read_options(section["name"], options, path, problems)

    def read_options(
        self, name: object, options: object, path: str, problems: Problems
    ) -> Component | None:
        """Read name and options that stand apart, as `read` does; None means no options."""
        found = self._problems_of(name, options, path)
        problems += found
        if found or not isinstance(name, str):
            return None
        accepted = inspect.signature(self.builders[name]).parameters
        given: Mapping[str, Any] = options or {}  # type: ignore[assignment]
        kept = {
            key: value
            for key, value in given.items()
            if key in accepted and key not in self.injected
        }
        problems.without_effect += [f"{path}.{key}" for key in given if key not in kept]
        return Component(name, kept, path, self.builders[name])

    def build(self, section: object, path: str, **injected: Any) -> Any:
        """Read a `{name: ..., **options}` mapping and build it; it is left as it is.

        Args:
            section: the content of the config there.
            path: its place in the config, for messages.
            injected: parameters that the program supplies, a subset of `self.injected`.

        Raises:
            ConfigError: naming every problem.
        """
        problems = Problems()
        component = self.read(section, path, problems)
        problems.raise_any()
        assert component is not None
        return component.build(**injected)

    def _problems_of(self, name: object, options: object, path: str) -> list[Problem]:
        if not isinstance(name, str) or name not in self.builders:
            return [Problem(f"{path}.name", unknown_name(self.kind, name, self.builders))]
        if options is None:
            options = {}
        if not isinstance(options, Mapping):
            return [Problem(path, f"expected a mapping of options, got {options!r}")]
        # What the builder's signature accepts, against what the config gives.
        builder = self.builders[name]
        accepted = {
            key: parameter
            for key, parameter in inspect.signature(builder).parameters.items()
            if key not in self.injected and key != "self"
        }
        hints = typing.get_type_hints(builder.__init__ if inspect.isclass(builder) else builder)
        problems = []
        for key, value in options.items():
            if key in self.unused and key not in accepted:
                continue
            if key not in accepted:
                message = unknown_name(f"option of {name}", key, accepted)
                problems.append(Problem(f"{path}.{key}", message))
            elif key in hints and not _fits(value, hints[key]):
                message = f"expected {_describe(hints[key])}, got {value!r}{_yaml_hint(value)}"
                problems.append(Problem(f"{path}.{key}", message))
        for key, parameter in accepted.items():
            is_needed = parameter.default is inspect.Parameter.empty and key not in self.supplied
            if is_needed and key not in options:
                problems.append(Problem(path, f"{name} needs the option {key}, got none"))
        # The builder's own checks rely on options of the right types.
        find_more = getattr(builder, "problems_of", None)
        if find_more is None or problems:
            return problems
        known = {key: value for key, value in options.items() if key in accepted}
        return [Problem(f"{path}.{key}", message) for key, message in find_more(known)]


def _fits(value: object, hint: Any) -> bool:
    """Tell whether a YAML value can stand for a parameter annotated with `hint`."""
    origin = typing.get_origin(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str):
        return isinstance(value, hint)
    # Containers: YAML gives a list for a tuple, and the elements are checked in turn.
    container = origin if isinstance(origin, type) else hint
    if isinstance(container, type) and issubclass(container, Sequence):
        if not isinstance(value, list | tuple):
            return False
        elements = typing.get_args(hint)
        if container is tuple and Ellipsis not in elements and elements:
            return len(value) == len(elements) and all(map(_fits, value, elements))
        return not elements or all(_fits(element, elements[0]) for element in value)
    if isinstance(container, type) and issubclass(container, Mapping):
        return isinstance(value, Mapping)
    return True


def _describe(hint: Any) -> str:
    """Describe a type annotation in the words of a config's author."""
    if typing.get_origin(hint) is Literal:
        return " or ".join(repr(option) for option in typing.get_args(hint))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_describe, typing.get_args(hint))))
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if hint is type(None):
        return "nothing"
    if hint in names:
        return names[hint]
    elements = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and Ellipsis not in elements:
        return f"a list of {len(elements)} values"
    return "a list" if typing.get_origin(hint) is not None else str(hint)


def _yaml_hint(value: object) -> str:
    """Explain why a number such as 1e-4 arrived as text."""
    if not isinstance(value, str):
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    return "; without a dot YAML reads this as text: write 1.0e-4 for 1e-4"
