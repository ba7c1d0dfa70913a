"""What the service takes of a small machine: processes, memory, CPU time until it is ready.

    python -m benchmarks.service.footprint

With Ray's replicas and in one process, each after having read a line and a page.
"""

from __future__ import annotations

import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.machine import ROOT
from benchmarks.service.process import ServiceProcess
from runtime.recognition.model.default import default_model

WAYS = {"serve": (), "serve --light": ("--light",)}
_READ = {"recognize": ROOT / "images" / "line_01.jpg", "read": ROOT / "pages" / "letter.jpg"}
_SECONDS_TO_ANSWER = 120


def measure(options: tuple[str, ...]) -> tuple[int, float, float]:
    """Start a service, let it read, and end it.

    Args:
        options: of its command line.

    Returns:
        its processes, their memory in MiB (what several share is counted in parts), and the CPU
        time in seconds that they had taken when it was ready.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        ServiceProcess(default_model(), Path(folder) / "log", options) as service,
    ):
        _ask(f"{service.url}/ready")
        seconds = service.cpu_seconds()
        for route, file in _READ.items():
            _ask(f"{service.url}/{route}", file.read_bytes())
        pids = service.family_pids()
        return len(pids), sum(map(shared_mib, pids)), seconds


def shared_mib(pid: int) -> float:
    """Return the memory of a process in MiB, of what it shares its part; 0 once it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    kib = next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:"))
    return int(kib) / 1024


def _ask(url: str, body: bytes | None = None) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=_SECONDS_TO_ANSWER) as answer:
        answer.read()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each way and print a table; return the exit status."""
    command_parser("benchmarks.service.footprint", __doc__).parse_args(arguments)
    print(f"{'':14}  {'processes':>9}  {'MiB':>6}  {'CPU s':>7}")
    for name, options in WAYS.items():
        processes, mib, seconds = measure(options)
        print(f"{name:14}  {processes:9}  {mib:6.0f}  {seconds:7.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
