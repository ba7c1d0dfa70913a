from __future__ import annotations

import ipaddress
import os
import socket

import pytest

from tests.listening import addresses_listened_at, family_of, is_loopback, needs_proc


@needs_proc
@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET6, "::ffff:127.0.0.1"),
        (socket.AF_INET6, "::1"),
    ],
)
def test_a_socket_that_listens_is_found(family: int, address: str) -> None:
    before = addresses_listened_at([os.getpid()])
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip("IPv6 is off here")
        assert len(addresses_listened_at([os.getpid()])) == len(before)
        listener.listen()
        found = addresses_listened_at([os.getpid()])
    assert len(found) == len(before) + 1 and all(map(is_loopback, found))
    assert ipaddress.ip_address(address) in map(ipaddress.ip_address, found)
    assert os.getpid() in family_of(os.getppid())


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.2", "::ffff:192.0.2.2"])
def test_other_addresses_are_others(address: str) -> None:
    assert not is_loopback(address)
