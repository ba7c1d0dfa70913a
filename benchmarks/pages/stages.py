"""CPU seconds inside the networks of whoever runs them on onnxruntime, by their task."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

FINDING, READING, TURNING = "finding lines", "reading lines", "which way up"
THE_REST = "the rest"
_CALLS = ("run", "run_with_iobinding", "run_with_ort_values")


class StageClock:
    """Adds up the CPU time of every session's runs while its block lasts.

    It counts the thread that calls, which is all with one thread a session.

    Attributes:
        cpu_s: seconds by task.
    """

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}
        self._undo: list[tuple[str, Any]] = []

    def __enter__(self) -> StageClock:
        try:
            import onnxruntime
        except ImportError:  # a peer that brings its own
            return self
        self._session = onnxruntime.InferenceSession
        for name in _CALLS:
            original = getattr(self._session, name)
            self._undo.append((name, original))
            setattr(self._session, name, self._timed(original))
        return self

    def __exit__(self, *reason: object) -> None:
        for name, original in self._undo:
            setattr(self._session, name, original)

    def _timed(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def timed(session: Any, *arguments: Any, **options: Any) -> Any:
            start = time.thread_time()
            try:
                return original(session, *arguments, **options)
            finally:
                task = task_of(session)
                spent = time.thread_time() - start
                self.cpu_s[task] = self.cpu_s.get(task, 0.0) + spent

        return timed


def task_of(session: Any) -> str:
    """Return the task of a session: a map has the size of its page, a line its model's height.

    Args:
        session: of onnxruntime.
    """
    outputs, inputs = session.get_outputs()[0].shape, session.get_inputs()[0].shape
    if len(outputs) == 4:
        return FINDING
    is_of_one_size = len(inputs) == 4 and all(isinstance(size, int) for size in inputs[1:])
    return TURNING if len(outputs) == 2 and is_of_one_size else READING
