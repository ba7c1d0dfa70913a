"""TensorRT, its lean runtime or TensorRT-RTX, whichever is asked for and installed; its log."""

from __future__ import annotations

import importlib
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.engines.cuda import Cuda, Gpu, open_cuda, require_gpu
from runtime.engines.sidecar_fields import numbers_of
from runtime.errors import EngineError

logger = logging.getLogger(__name__)

BACKENDS = ("auto", "tensorrt", "tensorrt-rtx")
"""What builds; `auto` takes TensorRT, or TensorRT-RTX where that is missing."""
LEAN = "tensorrt-lean"
"""Runs version-compatible plans of TensorRT and builds nothing."""
_MODULES = {
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx",),
    # The bindings come without the package that renames them where wheels were brought by hand.
    LEAN: ("tensorrt_lean", "tensorrt_lean_bindings"),
}
_OLDEST = {"tensorrt": (10, 12), "tensorrt_rtx": (1, 4), "tensorrt_lean": (10, 12)}
"""Since 10.12 the precision of a strongly typed network stands in its graph alone."""
_MESSAGES_KEPT = 400
_WORDS_KEPT = 1000


@dataclass(frozen=True)
class TensorRtLibrary:
    """An imported library.

    Args:
        module: its Python module.
        name: `tensorrt`, `tensorrt_rtx` or `tensorrt_lean`.
        version: as the module says it.
    """

    module: Any
    name: str
    version: str


def load_tensorrt(backend: str = "auto") -> TensorRtLibrary:
    """Import the library of a backend.

    Args:
        backend: one of `BACKENDS`, or `LEAN`.

    Raises:
        EngineError: if it is unknown, not installed, unusable or too old.
    """
    if backend not in (*BACKENDS, LEAN):
        raise EngineError(
            f"unknown backend: expected one of {', '.join(BACKENDS)}, got {backend!r}"
        )
    wanted = ("tensorrt", "tensorrt-rtx") if backend == "auto" else (backend,)
    reasons = []
    for name in wanted:
        for module in _MODULES[name]:
            try:
                return _checked(importlib.import_module(module), name)
            except (ImportError, OSError) as error:  # OSError: a library that it loads by itself
                reasons.append(" ".join(str(error).split()))
    title = {"tensorrt-rtx": "TensorRT-RTX", LEAN: "TensorRT's lean runtime"}.get(
        backend, "TensorRT"
    )
    other = ", or 'distilrec[tensorrt-rtx]'" if backend == "auto" else ""
    raise EngineError(
        f"{title} is not installed: pip install 'distilrec[{wanted[0]}]'{other} "
        f"({'; '.join(reasons)})"
    )


def _checked(module: Any, backend: str) -> TensorRtLibrary:
    name = backend.replace("-", "_")
    if not hasattr(module, "__version__"):
        raise ImportError(f"{name} is there but holds no library")
    oldest = _OLDEST[name]
    if numbers_of(module.__version__) < oldest:
        wanted = ".".join(str(number) for number in oldest)
        jetson = (
            "; on a Jetson it comes with JetPack: install JetPack 7.2 or later"
            if _is_jetson()
            else ""
        )
        raise EngineError(
            f"{name} is too old: expected {wanted} or later, got {module.__version__}; "
            f"pip install --upgrade 'distilrec[{backend}]'{jetson}"
        )
    return TensorRtLibrary(module, name, module.__version__)


def _is_jetson() -> bool:
    return Path("/etc/nv_tegra_release").exists()


def require_driver(cuda: Cuda | None = None, device_id: int = 0) -> Gpu:
    """Make sure of driver and GPU before any TensorRT object that needs them is made.

    Without a driver TensorRT gives an object around null and crashes when it is used.

    Args:
        cuda: as `open_cuda` gives it, which is asked when None.
        device_id: number of the GPU.

    Raises:
        EngineError: one sentence, if there is no driver or no such GPU.
    """
    return require_gpu(open_cuda() if cuda is None else cuda, device_id)


def made(log: TensorRtLog, what: str, make: Callable[[], Any]) -> Any:
    """Make an object of the library.

    Args:
        log: what the library says.
        what: it is, for the message.
        make: makes it.

    Raises:
        EngineError: where the library gives null, for which the bindings raise TypeError.
    """
    mark = log.mark()
    try:
        return make()
    except (TypeError, RuntimeError) as error:
        raise EngineError(
            f"TensorRT makes no {what} ({' '.join(str(error).split())}), it said: "
            f"{log.since(mark) or 'nothing'}; check that it fits the driver"
        ) from error


def log_of(module: Any) -> TensorRtLog:
    """Return the log of a library.

    TensorRT takes the first logger that a process gives it for everything that belongs to no
    object, and warns of every further one. So there is one, and it is never freed.

    Args:
        module: the library's Python module.
    """
    with _LOGS_LOCK:
        log = _LOGS.get(module)
        if log is None:
            log = _LOGS[module] = TensorRtLog(module)
        return log


_LOGS: weakref.WeakKeyDictionary[Any, TensorRtLog] = weakref.WeakKeyDictionary()
_LOGS_LOCK = threading.Lock()


class TensorRtLog:
    """Keeps what TensorRT says, so that errors can carry it; warnings and errors are logged too.

    Args:
        module: the library's Python module.
    """

    def __init__(self, module: Any) -> None:
        severity = module.ILogger if hasattr(module.ILogger, "ERROR") else module.Logger
        self._levels = {
            int(severity.INTERNAL_ERROR): logging.ERROR,
            int(severity.ERROR): logging.ERROR,
            int(severity.WARNING): logging.WARNING,
            int(severity.INFO): logging.INFO,
            int(severity.VERBOSE): logging.DEBUG,
        }
        # Thousands of lines of chatter would push out the one that matters.
        self._messages: deque[tuple[int, int, int, str]] = deque(maxlen=_MESSAGES_KEPT)
        self._count = 0
        # Entered again when garbage is collected while it is held and a destructor logs.
        self._lock = threading.RLock()
        self.logger: Any = _logger_class(module)(self._take)
        """What `Builder`, `Runtime` and the parser take as their logger."""

    def mark(self) -> int:
        """Return a place in the log, for `since`."""
        with self._lock:
            return self._count

    def since(self, mark: int, level: int = logging.WARNING) -> str:
        """Return what was said since a mark, in one line, cut when it is long; empty if nothing.

        Args:
            mark: from `mark`.
            level: of `logging`; only what is at least as grave. If there are errors, warnings
                are left out; if this thread met some, those of others are.
        """
        with self._lock:
            messages = list(self._messages)  # more may come from this very thread meanwhile
        said = [entry for entry in messages if entry[0] >= mark and entry[1] >= level]
        here = [entry for entry in said if entry[2] == threading.get_ident()]
        errors = [entry for entry in here or said if entry[1] >= logging.ERROR]
        text = " | ".join(" ".join(entry[3].split()) for entry in errors or here or said)
        return text if len(text) <= _WORDS_KEPT else text[:_WORDS_KEPT] + " …"

    def _take(self, severity: Any, message: str) -> None:
        level = self._levels.get(int(severity), logging.INFO)
        if level >= logging.WARNING:
            with self._lock:
                self._messages.append((self._count, level, threading.get_ident(), message))
                self._count += 1
        # Its errors reach the user as ours, which carry their text.
        logger.log(
            logging.WARNING if level >= logging.WARNING else logging.DEBUG, "TensorRT: %s", message
        )


def _logger_class(module: Any) -> Any:
    """A subclass of the library's logger, made here since the library is not there at import."""

    class CapturingLogger(module.ILogger):
        def __init__(self, take: Any) -> None:
            module.ILogger.__init__(self)
            self._take = take

        def log(self, severity: Any, message: str) -> None:
            self._take(severity, message)

    return CapturingLogger
