from __future__ import annotations

from typing import Any

import pytest

from runtime.serve.bounds.hosts import Hosts
from runtime.serve.bounds.refusal import Refusal


def scope(*hosts: str, version: str = "1.1") -> dict[str, Any]:
    headers = [(b"accept", b"*/*"), *((b"host", host.encode("latin-1")) for host in hosts)]
    return {"headers": headers, "http_version": version}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8000",
        "localhost.:80",
        "127.0.0.1:8000",
        "127.0.0.1",
        "[::1]:8000",
        "[::1]",
        "192.168.1.7:80",
        "reader.example",
        "READER.example.:443",
    ],
)
def test_its_own_names_and_addresses_are_let_in(host: str) -> None:
    Hosts(["Reader.example"]).check(scope(host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "xlocalhost",
        "reader.example.evil",
        "sub.reader.example",
        "",
        ":8000",
        "1:2:3",
        "[evil]",
        "localhost:80:80",
        "örtlich",
        "user@localhost",
        "0x7f.1",
        "2130706433",
    ],
)
def test_other_names_are_421(host: str) -> None:
    with pytest.raises(Refusal, match="--allowed-hosts") as refused:
        Hosts(["reader.example"]).check(scope(host))
    assert refused.value.status == 421


def test_any_name_where_that_is_wanted() -> None:
    Hosts(["*"]).check(scope("evil.example"))


def test_one_host_and_no_more() -> None:
    for hosts in ((), ("localhost", "localhost"), ("localhost", "evil.example")):
        with pytest.raises(Refusal, match="one Host") as refused:
            Hosts().check(scope(*hosts))
        assert refused.value.status == 400
    Hosts().check(scope(version="1.0"))  # which need not name one
