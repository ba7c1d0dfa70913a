"""What is said where there is no Ray, or no cluster; none is started here."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from runtime.cluster import connection
from runtime.cluster.connection import connected, is_client
from runtime.errors import EngineError
from runtime.infer import main

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
