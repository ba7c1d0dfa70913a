"""Detection among the tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.detection import DetectionParts
from training.tasks import TASKS


@pytest.fixture(scope="module", autouse=True)
def registered_task() -> Iterator[None]:
    """Register the parts of detection for as long as no task does."""
    registered: dict[str, Any] = dict(TASKS)
    TASKS.setdefault("det", DetectionParts)  # type: ignore[arg-type]
    yield
    TASKS.clear()
    TASKS.update(registered)
