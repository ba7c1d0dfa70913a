"""Connects to a Ray cluster: a running one, or one that is started on this machine for the run."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from runtime.cluster.sessions import bounded
from runtime.cpu import available_cpus
from runtime.errors import EngineError
from runtime.silence import STDERR, silenced

_LOCAL_STORE_BYTES = 256 * 2**20
"""Size of the object store: images are some KiB and soon read; Ray's default is a third of the
memory."""
_CLIENT_SCHEME = "ray://"
_CURRENT_CLUSTER = Path("/tmp/ray/ray_current_cluster")
_SECONDS_TO_ANSWER = 10.0
_MODE, _TOKENS = "RAY_AUTH_MODE", "AuthenticationTokenLoader"
_ANSWERS_WITHIN = ("RAY_py_gcs_connect_timeout_s", "10")
"""Time for a cluster's answer; Ray's default for a listener that is no cluster is 30 s."""

_REMEDY = "pip install 'distilrec[ray]', or leave out --ray"

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Readers on a CPU see no GPU; without this, Ray warns that this will change in a later version.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Who reaches Ray's ports may run code. This setting forbids clusters of several machines, on Linux
too, so that what Ray starts listens on loopback alone."""


def import_ray(on_loopback: bool = False, remedy: str = _REMEDY) -> Any:
    """Import Ray with its usage statistics switched off.

    Args:
        on_loopback: whether what Ray starts is for this machine alone.
        remedy: of the error if it is not installed.

    Raises:
        EngineError: if it is not installed.
    """
    # Read when Ray is imported, and inherited by the processes that it starts.
    os.environ.update(_ENVIRONMENT | (_ON_LOOPBACK if on_loopback else {}))
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise EngineError(f"Ray cannot be imported ({error}): {remedy}") from error
    if on_loopback:
        # Ray may have been imported before, with the environment as it was then.
        constants: Any = import_module("ray._private.ray_constants")
        constants.ENABLE_RAY_CLUSTER = False
    return ray


@contextmanager
def connected(
    address: str | None, modules: list[str] | None = None, remedy: str = _REMEDY
) -> Iterator[Any]:
    """Connect to a cluster for a block, and yield the package `ray`.

    An existing connection of this process is used, and stays open after the block.

    Args:
        address: `host:port`, `ray://host:port`, or `auto` for the cluster that this machine is
            part of; None starts a cluster on this machine, which ends with the block.
        modules: folders of packages that the machines of a cluster need and may not have.
        remedy: of the error if Ray is not installed.

    Raises:
        EngineError: if Ray is not installed, there is no such cluster, or it expects another
            token.
    """
    if address is not None:
        os.environ.setdefault(*_ANSWERS_WITHIN)
    ray = import_ray(address is None or _answers_on_loopback_alone(address), remedy)
    if ray.is_initialized():
        yield ray
        return
    if address is not None:
        _check_listens(address)
        _check_accepts(ray, address)
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {
            "address": "local",
            "num_cpus": available_cpus(),
            "include_dashboard": False,
            "object_store_memory": _LOCAL_STORE_BYTES,
        }
    elif modules:
        options["runtime_env"] = {"py_modules": modules}
    # Ray replaces the handler of SIGTERM, which is restored below.
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main_thread else None
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises errors of its own and of other libraries
        if _is_about_token(error):
            raise _refused(address or "this machine") from error
        raise _unreachable(address or "this machine", _first_line(error)) from error
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)
    with bounded(_session() if address is None else None):
        try:
            yield ray
        finally:
            ray.shutdown()


def _session() -> Path | None:
    """Return the folder of the cluster that this process started, None where Ray does not say."""
    node = getattr(import_module("ray._private.worker"), "_global_node", None)
    path = getattr(node, "get_session_dir_path", lambda: None)()
    return None if path is None else Path(path)


def is_client(address: str | None) -> bool:
    """Tell whether this machine is a client of the cluster and not a part of it."""
    return address is not None and address.startswith(_CLIENT_SCHEME)


def _check_listens(address: str) -> None:
    """Refuse an address where nothing listens at once; Ray would try and log for minutes."""
    place = _place(address)
    if place is None:
        return  # left to Ray
    try:
        socket.create_connection(place, _SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise _unreachable(_address_of(place), error.strerror or str(error)) from error


def _answers_on_loopback_alone(address: str) -> bool:
    """Tell whether a cluster listens on loopback and not at this machine's own address.

    Ray would look for it at the latter, unless it is told to keep to loopback.
    """
    place = _place(address)
    if is_client(address) or place is None or place[0] not in _LOOPBACK:
        return False
    return _listens(place) and not _listens((_own_address(), place[1]))


def _listens(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, _SECONDS_TO_ANSWER).close()
    except OSError:
        return False
    return True


def _own_address() -> str:
    """Return this machine's address in its network, found as Ray finds it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("8.8.8.8", 80))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _check_accepts(ray: Any, address: str) -> None:
    """Check once that a cluster answers and accepts our token; Ray would try and log many times.

    With `auto`, Ray may still find a token by itself.
    """
    place = _place(address)
    if is_client(address) or place is None or (address == "auto" and _MODE not in os.environ):
        return
    host_port = _address_of(place)
    raylet = import_module("ray._raylet")
    if os.environ.get(_MODE, "").lower() == "token" and hasattr(raylet, _TOKENS):
        # Without a token the call below would end this process.
        tokens = getattr(raylet, _TOKENS).instance()
        try:
            if not tokens.has_token(ignore_auth_mode=True):
                raise _refused(host_port, "none")
        except ray.exceptions.RayError as error:
            raise _refused(host_port, _first_line(error).partition(". ")[0]) from error
    try:
        with silenced(STDERR):
            raylet.GcsClient(address=host_port)
    except ray.exceptions.RayError as error:
        if _is_about_token(error):
            raise _refused(host_port) from error
        raise _unreachable(host_port, _first_line(error)) from error


def _place(address: str) -> tuple[str, int] | None:
    """Return host and port of an address, None where they are unknown."""
    place = address.removeprefix(_CLIENT_SCHEME)
    if address == "auto":
        place = os.environ.get("RAY_ADDRESS", "") or _current_cluster()
    host, _, port = place.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdecimal() else None


def _address_of(place: tuple[str, int]) -> str:
    """Return `host:port`, with an IPv6 address in brackets."""
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _current_cluster() -> str:
    """Return the address that `ray start` has written on this machine, "" without one."""
    try:
        return _CURRENT_CLUSTER.read_text().strip()
    except OSError:
        return ""


def _unreachable(address: str, reason: str) -> EngineError:
    return EngineError(
        f"cannot connect to Ray at {address}: expected a running cluster, got: {reason}; start one "
        "(ray start --head) and check --address (--ray-address of a service), or leave it out for "
        "this machine"
    )


def _is_about_token(error: BaseException) -> bool:
    return type(error).__name__ == "AuthenticationError"


def _refused(address: str, got: str = "another") -> EngineError:
    """Return the error of a cluster that refuses this process's token."""
    mode = os.environ.get(_MODE, "")
    if mode.lower() != "token":
        got = f"none, as {_MODE} is {mode or 'not set'}"
    return EngineError(
        f"the Ray cluster at {address} lets nobody in without its token: expected that token, got "
        f"{got}; set {_MODE}=token, and RAY_AUTH_TOKEN to the token or RAY_AUTH_TOKEN_PATH to a "
        "file that holds it"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
