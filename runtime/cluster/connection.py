"""A Ray cluster to work on: one that runs already, or one of this machine's own for the run."""

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

from runtime.cpu import available_cpus
from runtime.errors import EngineError
from runtime.silence import STDERR, silenced

_LOCAL_STORE_BYTES = 256 * 2**20
"""Images are some KiB and travel fast; Ray's own choice is a third of the memory."""
_CLIENT_SCHEME = "ray://"
_CURRENT_CLUSTER = Path("/tmp/ray/ray_current_cluster")
_SECONDS_TO_ANSWER = 10.0
_MODE, _TOKENS = "RAY_AUTH_MODE", "AuthenticationTokenLoader"
_ANSWERS_WITHIN = ("RAY_py_gcs_connect_timeout_s", "10")
"""Of a cluster that is joined. Ray itself waits 30 s for whoever listens and is no cluster."""

_REMEDY = "pip install 'distilrec[ray]', or leave out --ray"

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Readers of the CPU see no GPU; without this, Ray warns that it may change its mind.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Whoever reaches Ray's ports may run code. This says no to clusters of several machines, on Linux
too, and what Ray starts then listens on loopback alone."""


def import_ray(on_loopback: bool = False, remedy: str = _REMEDY) -> Any:
    """The package, told to send nobody any statistics.

    Args:
        on_loopback: whether what it starts is for this machine alone.
        remedy: said where it is not installed.

    Raises:
        EngineError: if it is not installed.
    """
    # Read when Ray is imported, and inherited by what it starts.
    os.environ.update(_ENVIRONMENT | (_ON_LOOPBACK if on_loopback else {}))
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise EngineError(f"Ray cannot be imported ({error}): {remedy}") from error
    if on_loopback:
        # Whoever imported it before has had it read the environment as it was then.
        constants: Any = import_module("ray._private.ray_constants")
        constants.ENABLE_RAY_CLUSTER = False
    return ray


@contextmanager
def connected(
    address: str | None, modules: list[str] | None = None, remedy: str = _REMEDY
) -> Iterator[Any]:
    """Ray, connected; what it was connected to before, it stays connected to.

    Args:
        address: `host:port`, `ray://host:port`, or `auto` for the cluster that this machine is
            part of; None starts one on this machine, which ends with the block.
        modules: folders of packages that the machines of a cluster need and may not have.
        remedy: said where Ray is not installed.

    Raises:
        EngineError: if Ray is not installed, there is no such cluster, or it wants another token.
    """
    if address is not None:
        os.environ.setdefault(*_ANSWERS_WITHIN)
    ray = import_ray(address is None or _answers_on_loopback_alone(address), remedy)
    if ray.is_initialized():
        yield ray
        return
    if address is not None:
        _check_answers(address)
        _check_lets_in(ray, address)
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
    # Ray puts a handler of its own in the place of whoever listens for SIGTERM.
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main_thread else None
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises whatever it meets, its own errors and those of others
        if _is_about_token(error):
            raise _shut_out(address or "this machine") from error
        raise _unreachable(address or "this machine", _first_line(error)) from error
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


def _check_answers(address: str) -> None:
    """Refuse an address where nobody listens at once; Ray would try for minutes, aloud."""
    place = _place(address)
    if place is None:
        return  # Ray knows better, or says so
    try:
        socket.create_connection(place, _SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise _unreachable(_told(place), error.strerror or str(error)) from error


def _answers_on_loopback_alone(address: str) -> bool:
    """Whether a cluster listens on loopback and not at the address that this machine has for
    others, under which Ray would look for it instead."""
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
    """Of this machine, for others; found as Ray finds it, and nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("8.8.8.8", 80))
        except OSError:
            return "127.0.0.1"
        return str(asking.getsockname()[0])


def _check_lets_in(ray: Any, address: str) -> None:
    """Ask once whether it is a cluster and takes our token; Ray would ask again and again, aloud.

    Where `auto` is asked for, Ray may still find a token by itself.
    """
    place = _place(address)
    if is_client(address) or place is None or (address == "auto" and _MODE not in os.environ):
        return
    raylet = import_module("ray._raylet")
    if os.environ.get(_MODE, "").lower() == "token" and hasattr(raylet, _TOKENS):
        # Without one the call below would end this process.
        tokens = getattr(raylet, _TOKENS).instance()
        try:
            if not tokens.has_token(ignore_auth_mode=True):
                raise _shut_out(_told(place), "none")
        except ray.exceptions.RayError as error:
            raise _shut_out(_told(place), _first_line(error).partition(". ")[0]) from error
    try:
        with silenced(STDERR):
            raylet.GcsClient(address=_told(place))
    except ray.exceptions.RayError as error:
        if _is_about_token(error):
            raise _shut_out(_told(place)) from error
        raise _unreachable(_told(place), _first_line(error)) from error


def _place(address: str) -> tuple[str, int] | None:
    """Host and port, None where they are not told."""
    place = address.removeprefix(_CLIENT_SCHEME)
    if address == "auto":
        place = os.environ.get("RAY_ADDRESS", "") or _current_cluster()
    host, _, port = place.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdecimal() else None


def _told(place: tuple[str, int]) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _current_cluster() -> str:
    """The address that `ray start` left on this machine."""
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


def _shut_out(address: str, got: str = "another") -> EngineError:
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
