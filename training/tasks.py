"""The tasks by PaddleOCR's `model_type`."""

from __future__ import annotations

from collections.abc import Mapping

from training.recognition.task import RecognitionTask
from training.registry import Problems, Registry, unknown_name
from training.task import Task

TASKS: dict[str, type[Task]] = {"rec": RecognitionTask}
_DEFAULT = "rec"
"""The task of a config that names none."""


def task_of(architecture: object, problems: Problems) -> type[Task] | None:
    """Return the task that an `Architecture` section chooses; None if it is unknown."""
    named = architecture if isinstance(architecture, Mapping) else {}
    name = named.get("model_type") or _DEFAULT
    if name not in TASKS:
        problems.add("Architecture.model_type", unknown_name("model type", name, TASKS))
        return None
    return TASKS[name]


def of_every_task(kind: str) -> Registry:
    """Join one table of all tasks, e.g. `losses`, for sections that name no task.

    A name that several tasks give to builders of their own is the first task's.
    """
    tables: list[Registry] = [getattr(task, kind) for task in TASKS.values()]
    return Registry(
        tables[0].kind,
        {name: builder for table in reversed(tables) for name, builder in table.builders.items()},
        frozenset().union(*(table.injected for table in tables)),
        frozenset().union(*(table.unused for table in tables)),
    )
