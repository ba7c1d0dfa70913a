"""How long networks are computed, whoever calls and from however many threads."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import onnxruntime


class NetworkClock:
    """Adds up the time of every run of a network in onnxruntime or OpenVINO while its block lasts.

    Attributes:
        busy_s: seconds inside the network, those of calls at the same time counted each.
        most_at_once: most calls at the same time; 1 at least.
    """

    def __init__(self) -> None:
        self.busy_s, self.most_at_once = 0.0, 1
        self._num_running = 0
        self._lock = threading.Lock()
        self._runs: list[tuple[Any, str, Callable[..., Any]]] = []
        self._keep(onnxruntime.InferenceSession, "run")
        # Importing it would cost memory that is measured; whoever computes in it has imported it.
        if (openvino := sys.modules.get("openvino")) is not None:
            self._keep(openvino.InferRequest, "infer")

    def __enter__(self) -> NetworkClock:
        for owner, method, run in self._runs:
            setattr(owner, method, self._timed(run))
        return self

    def __exit__(self, *reason: object) -> None:
        for owner, method, run in self._runs:
            setattr(owner, method, run)

    def _keep(self, owner: Any, method: str) -> None:
        self._runs.append((owner, method, getattr(owner, method)))

    def _timed(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(session: Any, *arguments: Any, **options: Any) -> Any:
            with self._lock:
                self._num_running += 1
                self.most_at_once = max(self.most_at_once, self._num_running)
            start = time.perf_counter()
            try:
                return run(session, *arguments, **options)
            finally:
                with self._lock:
                    self.busy_s += time.perf_counter() - start
                    self._num_running -= 1

        return timed
