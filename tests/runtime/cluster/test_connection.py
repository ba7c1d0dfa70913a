"""What is said where there is no Ray, or no cluster; none is started here."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtime.cluster import connection
from runtime.cluster.connection import connected, is_client
from runtime.errors import EngineError
from runtime.infer.__main__ import main

Capture = pytest.CaptureFixture[str]


def test_a_missing_ray_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def absent(name: str) -> object:
        raise ImportError(f"no module named {name}")

    monkeypatch.setattr(connection, "import_module", absent)
    assert main(["images", "--model", "none.onnx", "--ray", "--quiet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("infer: Ray cannot be imported") and "pip install" in line


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_refused(closed_port: int, scheme: str) -> None:
    """By ourselves, in the words of the system: Ray would try for minutes."""
    pytest.importorskip("ray", reason="it is connected to")
    with (
        pytest.raises(EngineError, match=r"cannot connect to Ray at 127\.0\.0\.1:\d+: .* refused"),
        connected(f"{scheme}127.0.0.1:{closed_port}"),
    ):
        pass


def test_a_cluster_that_is_gone_is_refused_too(
    closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="it is connected to")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(connection, "_CURRENT_CLUSTER", tmp_path / "cluster")
    (tmp_path / "cluster").write_text(f"127.0.0.1:{closed_port}\n")
    with pytest.raises(EngineError, match="expected a running cluster"), connected("auto"):
        pass


def test_what_is_no_address_is_said() -> None:
    pytest.importorskip("ray", reason="it is connected to")
    with pytest.raises(EngineError, match=r"at nonsense: .*check --address"), connected("nonsense"):
        pass


def test_clients_are_known_by_their_scheme() -> None:
    assert is_client("ray://head:10001")
    assert not is_client("head:6379") and not is_client("auto") and not is_client(None)


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on which somebody listens on loopback alone."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "own", "alone"),
    [
        ("127.0.0.1", "127.0.0.2", True),
        ("localhost", "127.0.0.2", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("ray://127.0.0.1", "127.0.0.2", False),
    ],
)
def test_a_cluster_on_loopback_alone_is_looked_for_there(
    listening: int, monkeypatch: pytest.MonkeyPatch, host: str, own: str, alone: bool
) -> None:
    """Ray would look for it at the address that this machine has for others, for minutes."""
    monkeypatch.setattr(connection, "_own_address", lambda: own)
    assert connection._answers_on_loopback_alone(f"{host}:{listening}") is alone


def test_where_nobody_listens_nothing_is_decided(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_own_address", lambda: "127.0.0.2")
    assert not connection._answers_on_loopback_alone(f"127.0.0.1:{closed_port}")
    assert not connection._answers_on_loopback_alone("head.example:6379")


@pytest.mark.parametrize(
    ("mode", "got"),
    [
        (None, "none, as RAY_AUTH_MODE is not set"),
        ("disabled", "is disabled"),
        ("token", "another"),
    ],
)
def test_a_token_that_is_refused_is_one_line_with_the_remedy(
    listening: int, monkeypatch: pytest.MonkeyPatch, mode: str | None, got: str
) -> None:
    ray = pytest.importorskip("ray", reason="its errors are raised")
    if not hasattr(ray.exceptions, "AuthenticationError"):
        pytest.skip("a Ray without tokens")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)

    def refuse(address: str) -> None:
        raise ray.exceptions.AuthenticationError("refused")

    has = SimpleNamespace(has_token=lambda ignore_auth_mode: True)
    raylet = SimpleNamespace(
        GcsClient=refuse, AuthenticationTokenLoader=SimpleNamespace(instance=lambda: has)
    )
    monkeypatch.setattr(connection, "import_module", lambda name: raylet)
    with pytest.raises(EngineError, match=f"expected that token, got .*{got}; set RAY_AUTH_MODE"):
        connection._check_accepts(ray, f"127.0.0.1:{listening}")
