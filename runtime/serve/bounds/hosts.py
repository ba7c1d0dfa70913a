"""By which names a service may be called: what keeps pages from elsewhere out of it.

A page that a browser opened under a name of its own may have that name lead to this machine
afterwards (DNS rebinding) and would read the service's answers as its own. Its requests still
carry that name. An IP address leads to itself alone, so that every one is let in.
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
    """The names of one service.

    Args:
        names: besides those of loopback and IP addresses; `ANY` for whichever.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(_plain(name) for name in names) | {_LOOPBACK}
        self.is_known = lru_cache(maxsize=256)(self._is_known)

    def check(self, scope: Any) -> None:
        """Refuse a request that calls the service by a name that is not its own.

        Args:
            scope: of the request, as ASGI has it.

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
        name = _plain(_without_port(host.decode("latin-1")))
        return ANY in self._names or name in self._names or _is_address(name)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    is_port = bool(colon) and (port.isdecimal() or not port) and not host.endswith("]")
    return name if is_port else host


def _plain(name: str) -> str:
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
