"""Checks the host name of requests, which keeps web pages of other sites from using a service.

A site may point its own name to this machine after a browser has opened its page (DNS rebinding),
and the page could then read the service's answers. Its requests still carry that name as their
Host. IP addresses cannot be rebound, so all of them are accepted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from runtime.serve.bounds.refusal import Refusal

ANY = "*"
_LOOPBACK = "localhost"
_MOST_SHOWN = 80


class Hosts:
    """The host names of a service.

    Args:
        names: accepted besides `localhost` and IP addresses; `ANY` accepts all.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(_normalized(name) for name in names) | {_LOOPBACK}
        self.is_known = lru_cache(maxsize=256)(self._is_known)

    def check(self, scope: Any) -> None:
        """Refuse a request to a host name that is not the service's.

        Args:
            scope: ASGI's scope of the request.

        Raises:
            Refusal: 421; 400 if the request names several hosts, or none where it has to.
        """
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if not hosts and scope["http_version"] == "1.0":
            return
        if len(hosts) != 1:
            raise Refusal(400, f"expected one Host header, got {len(hosts)}")
        if not self.is_known(hosts[0]):
            name = hosts[0].decode("latin-1")[:_MOST_SHOWN]
            raise Refusal(
                421,
                f"this service is not called {name!r}: expected localhost, an IP address or a name "
                "given by --allowed-hosts",
            )

    def _is_known(self, host: bytes) -> bool:
        name = _normalized(_without_port(host.decode("latin-1")))
        return ANY in self._names or name in self._names or _is_address(name)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    is_port = bool(colon) and (port.isdecimal() or not port) and not host.endswith("]")
    return name if is_port else host


def _normalized(name: str) -> str:
    return name.strip().lower().removesuffix(".")


def _is_address(name: str) -> bool:
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    elif ":" in name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
