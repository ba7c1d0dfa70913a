"""The attacker, a process of its own: one attack on loopback, until it is told to stop.

    python -m benchmarks.service.hostile.attacker

Takes one line of JSON on standard input, says `ready`, begins with the next line, and stops with
the one after it, when standard input ends because its parent did, or after `seconds`. Its last
line is what came of its connections, as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.service.hostile.attack import Attack, Target
from benchmarks.service.hostile.attacks import ATTACKS

_ROOT = Path(__file__).resolve().parents[3]
_NICE = 10  # An attacker has a machine of its own; here it takes what the others leave.
_SECONDS_TO_BUILD = 120
_SECONDS_TO_STOP = 10


class Attacker:
    """One attack in a process of its own, ready from entering the block on.

    Args:
        attack: its name.
        target: what is attacked.
        size: as the attacks take it.
        seconds: after which it stops by itself, whatever else happens.
    """

    def __init__(self, attack: str, target: Target, size: float, seconds: float) -> None:
        image = base64.b64encode(target.image).decode()
        order = {"attack": attack, "size": size, "seconds": seconds}
        self._order = json.dumps({**order, "target": {**vars(target), "image": image}})
        self.outcomes: dict[str, int] = {}

    def begin(self) -> None:
        """Let it begin."""
        self._write_line("begin")

    def stop(self) -> None:
        """Let it stop; what came of its connections stands in `outcomes` then.

        Raises:
            OSError: if it ended before.
        """
        output, _ = self._process.communicate("stop\n", timeout=_SECONDS_TO_STOP)
        if self._process.returncode:
            raise OSError(f"the attacker ended with status {self._process.returncode}")
        self.outcomes = json.loads(output.splitlines()[-1])

    def __enter__(self) -> Attacker:
        command = [sys.executable, "-m", "benchmarks.service.hostile.attacker"]
        self._process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._write_line(self._order)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.kill()
            raise OSError(f"the attacker ended with status {self._process.wait()}")
        return self

    def __exit__(self, *reason: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _write_line(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


def main() -> int:
    """Run the command line and return its exit status."""
    signal.alarm(_SECONDS_TO_BUILD)
    order = json.loads(sys.stdin.readline())
    entries: dict[str, Any] = order["target"]
    image, sources = base64.b64decode(entries["image"]), tuple(entries["sources"])
    target = Target(**{**entries, "image": image, "sources": sources})
    if not all(ipaddress.ip_address(address).is_loopback for address in (target.host, *sources)):
        print(f"attacks stay on loopback: got {target.host}", file=sys.stderr)
        return 2
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.nice(_NICE)
    attack = ATTACKS[order["attack"]](target, order["size"])
    print("ready", flush=True)
    if not sys.stdin.readline():
        return 2
    # The loop may be at work when its time is over; a signal ends it all the same.
    signal.alarm(int(order["seconds"]) + _SECONDS_TO_STOP)
    print(json.dumps(asyncio.run(_attack(attack, target, order["seconds"]))), flush=True)
    os._exit(0)  # the thread that waits for standard input may wait still


async def _attack(attack: Attack, target: Target, seconds: float) -> Counter[str]:
    """Carry an attack out until a line or the end of standard input comes, or time is over."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def wait_for_word() -> None:
        sys.stdin.readline()
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=wait_for_word, daemon=True).start()
    outcomes: Counter[str] = Counter()
    attacking = asyncio.create_task(attack.carry_out(target, outcomes))
    waiting = asyncio.create_task(over.wait())
    done, _ = await asyncio.wait(
        [attacking, waiting], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
    )
    counted = Counter(outcomes)
    if attacking in done:
        attacking.result()  # it never ends by itself but with an error
    attacking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attacking
    return counted


if __name__ == "__main__":
    sys.exit(main())
