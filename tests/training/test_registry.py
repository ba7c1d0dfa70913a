"""The constructor's signature as the schema of a section."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from runtime.errors import ConfigError
from training.registry import Problem, Problems, Registry, unknown_name


class Engine:
    """Something with options of every kind."""

    def __init__(
        self,
        size: int,
        *,
        rate: float = 0.5,
        mode: Literal["slow", "fast"] = "slow",
        widths: Sequence[int] = (),
        window: int | tuple[int, int] = 1,
        label: str | None = None,
        on: bool = True,
        dictionary: int = 0,
    ) -> None:
        self.options = (size, rate, mode, widths, window, label, on, dictionary)

    @staticmethod
    def problems_of(options: Any) -> list[tuple[str, str]]:
        """Sizes that no type can exclude."""
        return [("size", "expected an even one")] if options["size"] % 2 else []


ENGINES = Registry("engine", {"Engine": Engine}, frozenset({"dictionary"}), frozenset({"legacy"}))


def read(section: Any) -> Problems:
    found = Problems()
    component = ENGINES.read(section, "Section", found)
    assert (component is None) == bool(found)
    return found


def found_in(section: Any) -> list[str]:
    return list(map(str, read(section)))


def problems(**options: Any) -> list[str]:
    return found_in({"name": "Engine", **options})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rate": 1},
        {"mode": "fast"},
        {"widths": [1, 2]},
        {"window": [1, 2]},
        {"window": 3},
        {"label": None},
        {"label": "a"},
        {"legacy": object()},
    ],
)
def test_values_that_fit(options: dict[str, Any]) -> None:
    assert problems(size=2, **options) == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"size": 2.5}, "Section.size: expected a whole number, got 2.5"),
        ({"size": True}, "Section.size: expected a whole number, got True"),
        ({"size": 2, "rate": True}, "Section.rate: expected a number, got True"),
        ({"size": 2, "rate": "x"}, "Section.rate: expected a number, got 'x'"),
        (
            {"size": 2, "rate": "1e-4"},
            "Section.rate: expected a number, got '1e-4'; without a dot YAML reads this as text: "
            "write 1.0e-4 for 1e-4",
        ),
        ({"size": 2, "mode": "Fast"}, "Section.mode: expected 'slow' or 'fast', got 'Fast'"),
        ({"size": 2, "widths": 3}, "Section.widths: expected a list, got 3"),
        ({"size": 2, "widths": [1, "2"]}, "Section.widths: expected a list, got [1, '2']"),
        (
            {"size": 2, "window": [1, 2, 3]},
            "Section.window: expected a whole number or a list of 2 values, got [1, 2, 3]",
        ),
        ({"size": 2, "label": 3}, "Section.label: expected text or nothing, got 3"),
        ({"size": 2, "on": "true"}, "Section.on: expected true or false, got 'true'"),
        ({}, "Section: Engine needs the option size, got none"),
        ({"size": 3}, "Section.size: expected an even one"),
        (
            {"size": 2, "widhts": []},
            "Section.widhts: unknown option of Engine 'widhts': expected one of label, mode, on, "
            "rate, size, widths, window; did you mean widths?",
        ),
        (
            {"size": 2, "dictionary": 1},
            "Section.dictionary: unknown option of Engine 'dictionary': expected one of label, "
            "mode, on, rate, size, widths, window",
        ),
        (
            {"size": 2, 3: 1},
            "Section.3: unknown option of Engine 3: expected one of label, mode, on, rate, size, "
            "widths, window",
        ),
    ],
)
def test_each_mistake_has_its_sentence(options: dict[Any, Any], problem: str) -> None:
    assert found_in({"name": "Engine", **options}) == [problem]


@pytest.mark.parametrize("section", [None, "Engine", [], 3])
def test_not_a_mapping(section: Any) -> None:
    assert len(read(section)) == 1


@pytest.mark.parametrize("name", [None, ["Engine"], {"Engine": 1}, 3, "engine"])
def test_names_that_are_none(name: Any) -> None:
    (problem,) = read({"name": name})
    assert problem.path == "Section.name"
    assert "expected one of Engine" in problem.message


def test_options_that_are_no_mapping() -> None:
    found = Problems()
    assert ENGINES.read_options("Engine", [1], "Section", found) is None
    (problem,) = found
    assert problem.message == "expected a mapping of options, got [1]"


def test_build_leaves_the_section_as_it_is_and_drops_unused_keys() -> None:
    section = {"name": "Engine", "size": 4, "widths": [1], "legacy": 9}
    before = copy.deepcopy(section)
    built = ENGINES.build(section, "Section", dictionary=7, unknown_to_it=8)
    assert section == before
    assert built.options == (4, 0.5, "slow", [1], 1, None, True, 7)


def test_build_raises_every_problem() -> None:
    with pytest.raises(ConfigError) as error:
        ENGINES.build({"name": "Engine", "rate": "a", "mode": 1}, "Section")
    assert len(str(error.value).splitlines()) == 3


def test_no_problem_raises_nothing() -> None:
    problems = Problems()
    problems.raise_any()
    problems.add("a", "b")
    assert problems == [Problem("a", "b")]
    with pytest.raises(ConfigError, match="a: b"):
        problems.raise_any()


def test_names_of_several_kinds_can_be_listed() -> None:
    assert unknown_name("network", "Studnet", ["Teacher", "Student", 3]).endswith(
        "expected one of 3, Student, Teacher; did you mean Student?"
    )
    assert "did you mean" not in unknown_name("network", "x", ["Teacher"])
