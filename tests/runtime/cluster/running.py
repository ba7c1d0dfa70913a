"""A Ray cluster of this machine's own, by `ray start`; it ends with all that it started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_SECONDS_TO_START = 180
_SECONDS_TO_END = 60
_STORE_BYTES = 100 * 2**20
_PORTS = (
    "port",
    "ray-client-server-port",
    "dashboard-agent-grpc-port",
    "dashboard-agent-listen-port",
    "metrics-export-port",
    "runtime-env-agent-port",
    "node-manager-port",
    "object-manager-port",
)


@dataclass(frozen=True)
class RunningCluster:
    """A cluster on loopback with one CPU.

    Args:
        address: of its head.
        token: that it wants to be shown, None if it wants none.
        home: a folder that is nobody's home and holds no token.
        process: the head.
    """

    address: str
    token: str | None
    home: Path
    process: subprocess.Popen[bytes]


@contextmanager
def running_cluster(token: str | None) -> Iterator[RunningCluster]:
    """Start one; it ends with the block.

    Args:
        token: that it wants to be shown, None for none.
    """
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # names of sockets must be short
    try:
        # Ray gives its own processes half a minute, which is too little on a busy machine.
        started = _started(folder, token) or _started(folder, token) or _started(folder, token)
        if started is None:
            raise RuntimeError(f"no cluster: {(folder / 'log').read_text()[-1000:]}")
        try:
            yield started
        finally:
            _end(started.process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, token: str | None) -> RunningCluster | None:
    """A cluster with its files in a folder; None if it does not start."""
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"]
    command += ["--node-ip-address", "127.0.0.1", "--num-cpus", "1", "--temp-dir", str(folder)]
    command += ["--include-dashboard", "false", "--disable-usage-stats"]
    command += ["--object-store-memory", str(_STORE_BYTES)]
    command += ["--min-worker-port", "0", "--max-worker-port", "0"]
    command += [f"--{name}={port}" for name, port in ports.items()]
    environment = {
        **clean_environment(folder),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "disabled" if token is None else "token",
        **({} if token is None else {"RAY_AUTH_TOKEN": token}),
    }
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, env=environment, stdout=said, stderr=said, start_new_session=True
        )
    end = time.monotonic() + _SECONDS_TO_START
    while "Ray runtime started" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end:
            _end(process)
            return None
        time.sleep(0.2)
    return RunningCluster(f"127.0.0.1:{ports['port']}", token, folder, process)


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment, with another home and nothing of Ray's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "HOME": str(home)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a head and all that descends from it, and nothing else."""
    family = _descendants(process.pid)
    process.terminate()
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    end = time.monotonic() + _SECONDS_TO_END
    while any(_is(pid, start) for pid, start in family.items()) and time.monotonic() < end:
        time.sleep(0.1)
    for pid, start in family.items():
        if _is(pid, start):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> dict[int, str]:
    """When each process that descends from one was started."""
    states = {int(path.name): _state(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for child, state in states.items():
            if state and state[1] == str(parent) and child not in found:
                found[child] = state[19]
                waiting.append(child)
    return found


def _is(pid: int, start: str) -> bool:
    state = _state(pid)
    return bool(state) and state[19] == start and state[0] != "Z"


def _state(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
