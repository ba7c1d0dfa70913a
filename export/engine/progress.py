"""The builder's progress on a terminal."""

from __future__ import annotations

import threading
from typing import Any

from tqdm import tqdm


def progress_monitor(module: Any, is_quiet: bool = False) -> Any:
    """An `IProgressMonitor` that shows each phase as a bar; None where the library has none.

    Args:
        module: the library's Python module.
        is_quiet: show nothing.
    """
    if not hasattr(module, "IProgressMonitor"):
        return None

    class Monitor(module.IProgressMonitor):
        def __init__(self) -> None:
            module.IProgressMonitor.__init__(self)
            self._bars: dict[str, tqdm[Any]] = {}
            # The library calls from several threads.
            self._lock = threading.Lock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                place = 0 if parent_phase is None else 1
                self._bars[phase_name] = tqdm(
                    total=num_steps,
                    desc=phase_name[:40],
                    position=place,
                    leave=False,
                    disable=is_quiet or None,
                )

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                if phase_name in self._bars:
                    self._bars[phase_name].update()
            return True

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                bar = self._bars.pop(phase_name, None)
                if bar is not None:
                    bar.close()

    return Monitor()
