"""How long onnxruntime is computing, whoever calls it and from however many threads."""

from __future__ import annotations

import threading
import time
from typing import Any

import onnxruntime


class NetworkClock:
    """Adds up the time of every `InferenceSession.run` while its block lasts.

    Attributes:
        busy_s: seconds inside the network, those of calls at the same time counted each.
        most_at_once: most calls at the same time; 1 at least.
    """

    def __init__(self) -> None:
        self.busy_s, self.most_at_once = 0.0, 1
        self._num_running = 0
        self._lock = threading.Lock()
        self._run = onnxruntime.InferenceSession.run

    def __enter__(self) -> NetworkClock:
        clock = self

        def timed(session: Any, *arguments: Any, **options: Any) -> Any:
            with clock._lock:
                clock._num_running += 1
                clock.most_at_once = max(clock.most_at_once, clock._num_running)
            start = time.perf_counter()
            try:
                return clock._run(session, *arguments, **options)
            finally:
                with clock._lock:
                    clock.busy_s += time.perf_counter() - start
                    clock._num_running -= 1

        onnxruntime.InferenceSession.run = timed
        return self

    def __exit__(self, *reason: object) -> None:
        onnxruntime.InferenceSession.run = self._run
