"""The service in a process of its own, started and watched from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.machine import ROOT
from runtime.errors import EngineError

_SECONDS_TO_START = 180
_SECONDS_TO_END = 60
_LISTENS = re.compile(r"at http://([0-9.]+):(\d+)/\n")


class ServiceProcess:
    """`python -m runtime.serve` on a free port of loopback, from entering the block to leaving it.

    Args:
        model: the model file.
        log: where it writes what it says.
        options: more of its command line.
        environment: variables that it gets besides.
        descriptors: how many files and connections each of its processes may have open, None for
            as many as this one.

    Raises:
        EngineError: on entering, if it does not start.
    """

    def __init__(
        self,
        model: Path,
        log: Path,
        options: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        descriptors: int | None = None,
    ) -> None:
        self.log_file = log
        self._command = [sys.executable, "-m", "runtime.serve", "--model", str(model.resolve())]
        self._command += ["--port", "0", "--drain", "0", *options]
        if descriptors is not None:
            # A hard limit: Ray raises a soft one as far as it may.
            limited = f'ulimit -n {descriptors} && exec "$@"'
            self._command = ["/bin/sh", "-c", limited, "sh", *self._command]
        self._environment = {**os.environ, **(environment or {})}
        self.host, self.port, self.seconds_to_start = "", 0, 0.0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """What it has said."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def replica_pids(self) -> list[int]:
        """Return the process ids of the service's replicas."""
        return [pid for pid, name in self._family().items() if "ServeReplica" in name]

    def family_pids(self) -> list[int]:
        """Return the process ids of the service and of all that it started."""
        return list(self._family())

    def cpu_seconds(self) -> float:
        """Return the CPU time that the service and all that it started have taken."""
        ticks = 0
        for pid in self._family():
            try:
                state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
            except OSError:
                continue  # ended meanwhile
            ticks += sum(map(int, state.split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self) -> int:
        """Ask it to end, as an operator would; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_SECONDS_TO_END)

    def _family(self) -> dict[int, str]:
        """Name of itself and of every process that descends from it."""
        parents, names = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                name = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue  # ended meanwhile
            parents[int(folder.name)], names[int(folder.name)] = int(state[1]), name

        def is_ours(pid: int) -> bool:
            while pid in parents and pid != self.process.pid:
                pid = parents[pid]
            return pid == self.process.pid

        return {pid: name for pid, name in names.items() if is_ours(pid)}

    def __enter__(self) -> ServiceProcess:
        begin = time.monotonic()
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stderr=log,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        while time.monotonic() < begin + _SECONDS_TO_START and self.process.poll() is None:
            found = _LISTENS.search(self.log)
            if found:
                self.host, self.port = found[1], int(found[2])
                self.seconds_to_start = time.monotonic() - begin
                return self
            time.sleep(0.05)
        self.process.kill()
        self.process.wait()
        raise EngineError(f"the service did not start; it said: {self.log.strip()[-500:]}")

    def __exit__(self, *reason: object) -> None:
        if self.process.poll() is None:
            try:
                self.end()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


def resident_mib(pid: int) -> float | None:
    """Return the memory in MiB that a process holds, None once it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
