"""Both commands join a cluster that runs already, with or without a token, and leave it whole."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks.service.clients import Work, run_clients
from benchmarks.service.process import ServiceProcess
from runtime import Recognizer
from tests.listening import addresses_listened_at, family_of, is_loopback, needs_proc
from tests.runtime.cluster.running import RunningCluster, clean_environment, running_cluster

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="clusters are its")
pytest.importorskip("onnxruntime", reason="models are read with it")

ROOT = Path(__file__).parents[3]
IMAGES = sorted((ROOT / "images").glob("*.jpg"))
TOKEN = "f00df00df00df00df00df00df00df00d"


@pytest.fixture(scope="module", params=[None, TOKEN], ids=["open", "token"])
def cluster(request: pytest.FixtureRequest) -> Iterator[RunningCluster]:
    with running_cluster(request.param) as started:
        yield started


def shown(token: str | None) -> dict[str, str]:
    return {} if token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


def run(
    command: list[str], home: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**clean_environment(home), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def infer(model: Path, address: str, output: Path) -> list[str]:
    on_cluster = ["--ray", "--address", address, "--ray-files", "ship"]
    return ["runtime.infer", "images", "--model", str(model), "--output", str(output), *on_cluster]


def serve(model: Path, address: str) -> list[str]:
    return ["runtime.serve", "--model", str(model), "--port", "0", "--ray-address", address]


@needs_proc
def test_nothing_listens_beyond_loopback(cluster: RunningCluster) -> None:
    addresses = addresses_listened_at(family_of(cluster.process.pid))
    assert len(addresses) > 5 and all(map(is_loopback, addresses)), addresses


def test_both_commands_read_on_it_and_leave_it_running(
    cluster: RunningCluster, toy_path: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.jsonl"
    command = ["runtime.infer", "images", "--model", str(toy_path), "--output", str(alone)]
    assert run(command, cluster.home, {}).returncode == 0
    in_file: dict[str, str] = {}
    if cluster.token is not None:
        (tmp_path / "token").write_text(cluster.token)
        in_file = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}

    images = [file.read_bytes() for file in IMAGES]
    with Recognizer(toy_path) as recognizer:
        texts = [result.text for result in recognizer(images)]
    # Twice: what the first has left there must not be in the way of the second.
    for number, environment in enumerate((in_file, shown(cluster.token))):
        together = tmp_path / f"{number}.jsonl"
        done = run(infer(toy_path, cluster.address, together), cluster.home, environment)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
        assert together.read_bytes() == alone.read_bytes()
        options = ["--ray-address", cluster.address]
        environment = {"HOME": str(cluster.home), **environment}
        with ServiceProcess(toy_path, tmp_path / "log", options, environment) as service:
            work = Work(service.host, service.port, images, texts, 4)
            assert run_clients(work, 2, 2.0).is_faultless
            assert service.end() == 0
        assert "Traceback" not in service.log
        assert cluster.process.poll() is None


@pytest.mark.parametrize(
    ("environment", "got"),
    [
        ({}, "got none, as RAY_AUTH_MODE is not set"),
        ({"RAY_AUTH_MODE": "token"}, "got none;"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "another"}, "got another;"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/none"}, "cannot be opened"),
    ],
)
def test_without_its_token_one_line_says_so(
    cluster: RunningCluster, toy_path: Path, tmp_path: Path, environment: dict[str, str], got: str
) -> None:
    if cluster.token is None:
        pytest.skip("it wants none")
    for command in (
        infer(toy_path, cluster.address, tmp_path / "read.jsonl"),
        serve(toy_path, cluster.address),
    ):
        done = run(command, cluster.home, environment)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2
        assert f"{cluster.address} lets nobody in without its token" in line and got in line
        assert "set RAY_AUTH_MODE=token" in line
    assert cluster.process.poll() is None


def test_who_listens_and_is_no_cluster_is_not_waited_for_long(
    toy_path: Path, tmp_path: Path
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        environment = {"RAY_py_gcs_connect_timeout_s": "1"}
        done = run(serve(toy_path, address), tmp_path, environment)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert f"cannot connect to Ray at {address}: expected a running cluster" in line
