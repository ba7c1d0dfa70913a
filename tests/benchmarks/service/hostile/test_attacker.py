"""The attacker is a process that stops when told, when its time is over, when its parent dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.measuring.machine import ROOT
from benchmarks.service.hostile.attacker import Attacker

GENEROUS_S = 30.0


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as state:
            return state.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_attacks_between_begin_and_stop(start_server: Any) -> None:
    server = start_server(422)
    with Attacker("pnm_newlines", server.target, 0.001, 60.0) as attacker:
        time.sleep(0.3)
        assert not server.received
        attacker.begin()
        begin = time.monotonic()
        while len(server.received) < 3 and time.monotonic() < begin + GENEROUS_S:
            time.sleep(0.05)
        attacker.stop()
    assert attacker.outcomes["422"] >= 2
    assert all(noted.startswith(b"POST /recognize") for noted in server.received if noted)


def test_it_stops_when_its_time_is_over(start_server: Any) -> None:
    with Attacker("silent", start_server(None).target, 0.003, 0.5) as attacker:
        attacker.begin()
        assert attacker._process.wait(GENEROUS_S) == 0


def test_it_stops_with_its_parent(start_server: Any) -> None:
    server = start_server(None)
    code = (
        "import time\n"
        "from benchmarks.service.hostile.attack import Target\n"
        "from benchmarks.service.hostile.attacker import Attacker\n"
        f"target = Target('127.0.0.1', {server.port}, 'toy', b'', ('127.0.0.2',))\n"
        "with Attacker('half_headers', target, 0.003, 600.0) as attacker:\n"
        "    attacker.begin()\n"
        "    print(attacker._process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        os.kill(parent.pid, signal.SIGKILL)
    begin = time.monotonic()
    while is_alive(pid) and time.monotonic() < begin + GENEROUS_S:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_it_stays_on_loopback(start_server: Any, capfd: pytest.CaptureFixture[str]) -> None:
    target = replace(start_server().target, host="192.0.2.1")
    with pytest.raises(OSError, match="status 2"), Attacker("nothing", target, 1.0, 1.0):
        pass
    assert "loopback" in capfd.readouterr().err
