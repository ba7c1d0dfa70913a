"""A TensorRT plan opened to be tried, before anybody trusts it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from runtime.engines import Engine
from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.errors import ArtifactError

Session = TypeVar("Session")


def session_on_trial(
    plan: Path, device_id: int, make_session: Callable[[Engine], Session]
) -> Session:
    """Open a plan, and a task's session on it.

    Args:
        plan: with its sidecar beside it.
        device_id: number of the GPU.
        make_session: of the task; it closes the engine with itself.

    Raises:
        ArtifactError, EngineError: if it cannot be opened here.
    """
    # One lane, so that the same shape takes the plain, the captured and the replayed path.
    trial = TensorRtPlan(plan, device_id=device_id, is_on_trial=True)
    engine = TensorRtEngine(trial, num_lanes=1)
    try:
        return make_session(engine)
    except ArtifactError:
        engine.close()
        raise
