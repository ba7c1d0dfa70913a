"""Compiles the loops, and decides once where the compiled code is kept between runs.

numba keeps it beside the source, else in the user's cache folder, and raises when it may write in
neither: in an image's read-only `site-packages`, say, for a user without a home.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

Function = Callable[..., Any]
FAST = {"reassoc", "contract", "nsz", "arcp"}
"""Lets sums be reordered and fused; infinities and NaN keep their meaning, because the training
loop has to see them."""
log = logging.getLogger(__name__)

if "NUMBA_THREADING_LAYER" not in os.environ:
    # Of numba's layers workqueue crashes when two Python threads enter it, and tbb, which takes the
    # library that paddle brings, may wait for ever when the process ends.
    numba.config.THREADING_LAYER = "omp"


def compiled(**options: Any) -> Callable[[Function], Any]:
    """Return a decorator: `numba.njit` with `options`, and with a cache wherever one can be.

    Without `NUMBA_CACHE_DIR` and the places that numba looks for, the cache is a folder of this
    user's own under the system's temporary one; where that cannot be either, there is none. One
    line says so.
    """

    def decorate(function: Function) -> Any:
        try:
            return _with_cache(function, options)
        except RuntimeError as error:
            if "locator" not in str(error):
                raise
        if _use_temporary_folder():
            try:
                return _with_cache(function, options)
            except RuntimeError:
                _say_once("no folder can be written: the kernels are compiled anew in every run")
        return numba.njit(**options)(function)

    return decorate


def _with_cache(function: Function, options: dict[str, Any]) -> Any:
    built = numba.njit(cache=True, **options)(function)
    stored = getattr(built, "_cache", None)
    save = getattr(stored, "save_overload", None)
    if stored is not None and save is not None:

        def save_if_the_disk_allows(*arguments: Any) -> None:
            try:
                save(*arguments)
            except OSError as error:
                _say_once(f"compiled kernels are not kept: {error.strerror or error}")

        stored.save_overload = save_if_the_disk_allows
    load = getattr(stored, "load_overload", None)
    if stored is not None and load is not None:

        def load_or_say(*arguments: Any) -> Any:
            found = load(*arguments)
            if found is None:
                _say_that_it_compiles()
            return found

        stored.load_overload = load_or_say
    file = getattr(stored, "_cache_file", None)
    if file is not None and hasattr(file, "_source_stamp"):
        # numba's own is of the function's file alone, though it compiles in what that calls.
        file._source_stamp = _sources()
    return built


@cache
def _sources() -> str:
    """Return a hash of everything that loops are compiled from."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _use_temporary_folder() -> bool:
    """Point numba at a folder that this user alone can write; what lies there is run as code."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"distilrec-kernels-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == user
        if os.name == "posix" and not (is_own and not found.st_mode & 0o077):
            raise PermissionError(f"{folder} is not this user's alone")
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or error
        _say_once(f"no folder can be written ({reason}): the kernels are compiled in every run")
        return False
    numba.config.CACHE_DIR = str(folder)
    _say_once(
        f"compiled kernels are kept in {folder}: neither the program's folder nor the user's "
        "cache can be written; NUMBA_CACHE_DIR names another place"
    )
    return True


@cache
def _say_that_it_compiles() -> None:
    log.info("compiling the loops for this machine, once: about a minute before the first step")


@cache
def _say_once(message: str) -> None:
    log.warning("%s", message)
