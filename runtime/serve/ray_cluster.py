"""Connects a service to Ray: a cluster, and Ray Serve on it."""

from __future__ import annotations

import importlib
import logging
import os
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from runtime.cluster.connection import connected
from runtime.errors import OcrError

INSTALL = "pip install 'distilrec[serve]'"

_NEEDED = ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart")
"""Packages that the service imports later, checked before anything is started."""


class RayCluster:
    """A connection of this process to a cluster, from entering the block to leaving it.

    Args:
        address: as `connected` takes it; None starts a cluster on this machine, reachable from
            this machine alone, which ends with the block.

    Raises:
        OcrError: on entering, if what the service needs is not installed, or as `connected`.
    """

    ray: Any
    serve: Any

    def __init__(self, address: str | None = None) -> None:
        self.address = address
        self._stack = ExitStack()

    @property
    def is_ours(self) -> bool:
        """Whether this process started the cluster and ends it."""
        return self.address is None

    def free(self) -> tuple[float, float]:
        """Return the numbers of free CPUs and GPUs."""
        resources = self.ray.available_resources()
        return resources.get("CPU", 0.0), resources.get("GPU", 0.0)

    def __enter__(self) -> RayCluster:
        require_packages(INSTALL)
        os.environ["RAY_SERVE_LOG_TO_STDERR"] = "0"  # before Ray is imported, as its own settings
        with ExitStack() as stack:
            self.ray = stack.enter_context(connected(self.address, remedy=INSTALL))
            self.serve = _import("ray.serve")
            logging.getLogger("ray.serve").setLevel(logging.WARNING)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()


def keep_replica_on_loopback() -> None:
    """Make the gRPC server of a replica listen on loopback; called before the replica starts it.

    Ray Serve lets it listen on every address, and who reaches it may run code; nothing here uses
    it.
    """
    module: Any = importlib.import_module("ray.serve._private.replica")
    add_port = module.add_port_to_grpc_server

    def add_loopback_port(server: Any, address: str) -> int:
        port: int = add_port(server, address.replace("[::]", "127.0.0.1"))
        return port

    module.add_port_to_grpc_server = add_loopback_port


def require_packages(remedy: str) -> None:
    """Import what every service needs, before anything is started.

    Args:
        remedy: of the error if one is not installed.

    Raises:
        OcrError: if one is not installed.
    """
    for name in _NEEDED:
        _import(name, remedy)


def _import(name: str, remedy: str = INSTALL) -> Any:
    """Import a package, or tell what installs it.

    Raises:
        OcrError: if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OcrError(f"{name} is not installed, which the service needs: {remedy}") from error
