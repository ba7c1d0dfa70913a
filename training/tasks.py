"""The tasks by PaddleOCR's `model_type`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from training.detection.task import DetectionTask
from training.recognition.task import RecognitionTask
from training.registry import Problems, Registry, unknown_name
from training.task import Task

TASKS: dict[str, type[Task]] = {"rec": RecognitionTask, "det": DetectionTask}
"""Of a name that several tasks give to builders of their own, the first task's counts."""
_DEFAULT = "rec"
"""The task of a config that names none."""
Read = TypeVar("Read")


def task_of(architecture: object, problems: Problems) -> type[Task] | None:
    """Return the task that an `Architecture` section chooses; None if it is unknown."""
    named = architecture if isinstance(architecture, Mapping) else {}
    name = named.get("model_type") or _DEFAULT
    if name not in TASKS:
        problems.add("Architecture.model_type", unknown_name("model type", name, TASKS))
        return None
    return TASKS[name]


def of_every_task(kind: str) -> Registry:
    """Join one table of all tasks, e.g. `losses`, for sections that name no task."""
    tables: list[Registry] = [getattr(task, kind) for task in TASKS.values()]
    return Registry(
        tables[0].kind,
        {name: builder for table in reversed(tables) for name, builder in table.builders.items()},
        frozenset().union(*(table.injected for table in tables)),
        frozenset().union(*(table.unused for table in tables)),
    )


def read_as_a_task_does(
    kind: str, read: Callable[[Registry, Problems], Read | None], model_type: str | None = None
) -> Read:
    """Read a section by the table of its task.

    Args:
        kind: of the table, e.g. `losses`.
        read: reads the section by a table.
        model_type: of the task; None for the first one that the section suits, and where it suits
            none for a table of all tasks.

    Raises:
        ConfigError: naming every problem, of the table that the section suits best.
    """
    if model_type is None:
        tables = [*(getattr(task, kind) for task in TASKS.values()), of_every_task(kind)]
    else:
        problems = Problems()
        task = task_of({"model_type": model_type}, problems)
        problems.raise_any()
        tables = [getattr(task, kind)]
    tried = []
    for table in tables:
        problems = Problems()
        found = read(table, problems)
        if not problems and found is not None:
            return found
        tried.append(problems)
    min(reversed(tried), key=len).raise_any()
    raise AssertionError("a section that cannot be read has problems")
