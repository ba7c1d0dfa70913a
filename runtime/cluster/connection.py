"""A Ray cluster to work on: one that runs already, or one of this machine's own for the run."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from runtime.cpu_budget import available_cpus
from runtime.errors import EngineError

_LOCAL_STORE_BYTES = 256 * 2**20
_CLIENT_SCHEME = "ray://"

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Readers of the CPU see no GPU; without this, Ray warns that it may change its mind.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def import_ray() -> Any:
    """The package, told to send nobody any statistics.

    Raises:
        EngineError: if it is not installed.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        return import_module("ray")
    except ImportError as error:
        raise EngineError(
            f"Ray cannot be imported ({error}): pip install 'distilrec[ray]', or leave out --ray"
        ) from error


@contextmanager
def connected(address: str | None, modules: list[str] | None = None) -> Iterator[Any]:
    """Ray, connected; what it was connected to before, it stays connected to.

    Args:
        address: `host:port`, `ray://host:port`, or `auto` for the cluster that this machine is
            part of; None starts one on this machine, which ends with the block.
        modules: folders of packages that the machines of a cluster need and may not have.

    Raises:
        EngineError: if Ray is not installed, or there is no such cluster.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {
            "num_cpus": available_cpus(),
            "include_dashboard": False,
            "object_store_memory": _LOCAL_STORE_BYTES,
        }
    elif modules:
        options["runtime_env"] = {"py_modules": modules}
    # Ray puts a handler of its own in the place of whoever listens for SIGTERM.
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main_thread else None
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise EngineError(
            f"cannot connect to Ray at {address or 'this machine'}: {_first_line(error)}; "
            "start one (ray start --head) and check --address, or leave it out for this machine"
        ) from error
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)
    try:
        yield ray
    finally:
        ray.shutdown()


def is_client(address: str | None) -> bool:
    """Whether this machine only speaks to the cluster and is no part of it."""
    return address is not None and address.startswith(_CLIENT_SCHEME)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
