"""Settings of the whole process that make training on a CPU faster; call them before paddle.

Three things cost more than any layer when paddle trains on a CPU as it comes:

* glibc gives every large block back to the kernel, so each operation faults fresh pages in;
* paddle's OpenMP (`libiomp5`) and numba's (`libgomp`) each keep a pool of threads that spin
  while the other one works, which halves the speed of both;
* paddle takes one thread unless `OMP_NUM_THREADS` is set, and other libraries take every core
  of the host even inside a container that was given two.

Most of it is read by a shared library when it is loaded, so this module imports neither paddle
nor numba, and `apply_process_settings` has to run before anything imports them:

    from training.process_settings import apply_process_settings

    settings = apply_process_settings()   # first statement of the program
    import paddle                         # only now
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from runtime.cpu import available_cpus

# glibc's malloc.h; numbers are part of its ABI.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3

_MIB = 1 << 20
# Blocks below this size stay in the heap after `free`. Old glibc accepts no more than 32 MiB.
_MMAP_THRESHOLDS_BYTES = (1 << 30, 32 * _MIB)
_NEVER_TRIM = -1
_TOP_PAD_BYTES = 64 * _MIB

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


@dataclass(frozen=True)
class Settings:
    """What `apply_process_settings` did.

    Attributes:
        enabled: False when the one option switched everything off.
        threads: CPU threads this process may use (affinity and container quota), at least 1.
        environment: environment variables set here; those the user had set are not in it.
        malloc_bytes: glibc `mallopt` options that were accepted, by name.
        shared_openmp: the OpenMP library that paddle and numba now share, or None.
        notes: what could not be done, and why, one sentence each.
    """

    enabled: bool
    threads: int
    environment: dict[str, str] = field(default_factory=dict)
    malloc_bytes: dict[str, int] = field(default_factory=dict)
    shared_openmp: Path | None = None
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line for the log."""
        if not self.enabled:
            return "process settings: off"
        parts = [f"{self.threads} CPU threads"]
        parts.append("large blocks kept by malloc" if self.malloc_bytes else "malloc untouched")
        parts.append("one OpenMP pool" if self.shared_openmp else "separate OpenMP pools")
        parts += [f"{name}={value}" for name, value in sorted(self.environment.items())]
        return "process settings: " + ", ".join([*parts, *self.notes])


def apply_process_settings(enabled: bool = True) -> Settings:
    """Set memory, thread and OpenMP behaviour of this process; call it before importing paddle.

    Environment variables that the user has set keep their values. Calling it twice does no harm.

    Args:
        enabled: False leaves the process exactly as it is.

    Returns:
        What was set, for the caller to log.
    """
    threads = max(1, int(available_cpus()))
    if not enabled:
        return Settings(enabled=False, threads=threads)
    notes: list[str] = []
    late = [name for name in ("paddle", "numba") if name in sys.modules]
    if late:
        notes.append(f"{' and '.join(late)} imported earlier, so thread settings came too late")
    malloc_bytes = _keep_large_blocks()
    if not malloc_bytes:
        notes.append("malloc settings need glibc")
    shared_openmp = None if late else _share_openmp()
    environment = _set_environment(threads, shared_openmp is not None)
    _limit_opencv(threads)
    return Settings(
        enabled=True,
        threads=threads,
        environment=environment,
        malloc_bytes=malloc_bytes,
        shared_openmp=shared_openmp,
        notes=tuple(notes),
    )


def _keep_large_blocks() -> dict[str, int]:
    """Tell glibc to keep freed blocks in the heap; return the accepted options in bytes."""
    if not sys.platform.startswith("linux"):
        return {}
    try:
        libc = ctypes.CDLL(None)
        mallopt = libc.mallopt
        _ = libc.gnu_get_libc_version  # musl has a mallopt of its own that does nothing
    except (OSError, AttributeError):
        return {}
    mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    mallopt.restype = ctypes.c_int
    accepted: dict[str, int] = {}
    for threshold in _MMAP_THRESHOLDS_BYTES:
        if mallopt(_M_MMAP_THRESHOLD, threshold):
            accepted["mmap_threshold"] = threshold
            break
    for name, option, value in (
        ("trim_threshold", _M_TRIM_THRESHOLD, _NEVER_TRIM),
        ("top_pad", _M_TOP_PAD, _TOP_PAD_BYTES),
    ):
        if mallopt(option, value):
            accepted[name] = value
    return accepted


def _share_openmp() -> Path | None:
    """Load paddle's `libiomp5` for all to see, so that numba's OpenMP calls land in it too.

    `libiomp5` also exports libgomp's entry points. Loaded globally before them, it answers for
    numba's OpenMP layer, and the two work with one pool of threads instead of two that spin
    against each other (measured on 2 cores: 0.96 ms instead of 3.9 ms for a product and a loop).
    """
    if not sys.platform.startswith("linux"):
        return None
    # find_spec looks the package up without running it.
    spec = importlib.util.find_spec("paddle")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        library = Path(folder) / "libs" / "libiomp5.so"
        if library.is_file():
            try:
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
            except OSError:
                return None
            return library
    return None


def _set_environment(threads: int, one_pool: bool) -> dict[str, str]:
    """Set the variables that libraries read when they load; return those that were not set."""
    wanted = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    # Of numba's layers, workqueue crashes when two Python threads enter it, tbb is rarely there.
    wanted["NUMBA_THREADING_LAYER"] = "omp"
    if one_pool:
        # Spin for a millisecond between operations, not libiomp5's 200: data workers want the
        # cores too.
        wanted["KMP_BLOCKTIME"] = "1"
    else:
        wanted["KMP_BLOCKTIME"] = "0"
        wanted["OMP_WAIT_POLICY"] = "PASSIVE"
    if _cpu_is_amd():
        # paddle's MKL picks its SSE code on AMD unless told otherwise (17 -> 66 GFLOP/s).
        wanted["MKL_DEBUG_CPU_TYPE"] = "5"
    new = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(new)
    return new


def _cpu_is_amd() -> bool:
    """Tell whether Linux names AMD as the maker of this CPU."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            return any(line.startswith("vendor_id") and "AuthenticAMD" in line for line in lines)
    except OSError:
        return False


def _limit_opencv(threads: int) -> None:
    """Give OpenCV, if it is loaded or installed, the same number of threads."""
    try:
        import cv2
    except ImportError:
        return
    cv2.setNumThreads(threads)
