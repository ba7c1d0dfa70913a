"""Every task of the table has what the rest of the command line asks of one."""

from __future__ import annotations

from argparse import Namespace

import pytest

from runtime.infer import task
from runtime.infer.task import Task, task_of

NAMES = {*Task.__annotations__, *(name for name in vars(Task) if not name.startswith("_"))}


@pytest.mark.parametrize("name", task._TASKS)
def test_tasks_have_all_that_is_asked_of_them(name: str) -> None:
    found = task_of(Namespace(task=name, alternatives=2))
    assert all(hasattr(found, wanted) for wanted in NAMES) and len(NAMES) == 27
    assert found.columns[0] == "file" and {"warnings", "error"} < {*found.columns}
    assert len(found.header) == 2


def test_records_tell_the_tasks_apart() -> None:
    entries = [task_of(Namespace(task=name, alternatives=0)).entry for name in task._TASKS]
    assert len({*entries}) == len(entries)
