"""The service under load, with every answer checked against what a recogniser reads offline.

    python -m benchmarks.service --model student.onnx --images LABELS --clients 32 --minutes 5

Rounds of offline reading, requests of one image and requests of several alternate; then a flood, a
replica killed, and memory. Exit status: 0 all answers right, 1 some were not, 2 nothing measured.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.result import Failure, Measure, Result, exit_status, measure, surroundings
from benchmarks.service.clients import Tally, Work, run_clients, run_flood
from benchmarks.service.memory import MemoryWatch
from benchmarks.service.offline import (
    OfflineTexts,
    add_arguments,
    failed_lines,
    measure_offline,
    read_offline,
)
from benchmarks.service.process import ServiceProcess

_FLOOD_FACTOR = 10
_RECOVERED_WITHIN_S = 30.0
_SOAK_STEP_S = 10.0


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.service", __doc__)
    add = parser.add_argument
    add_arguments(parser, count=500)
    add("--clients", type=int, default=32, help="at once; default: %(default)s")
    add("--per-request", type=int, default=4, help="images in a request; default: %(default)s")
    add("--minutes", type=float, default=5.0, help="of load in all; default: %(default)s")
    add("--rounds", type=int, default=3, help="default: %(default)s")
    add("--soak", type=int, default=0, metavar="N", help="images more, to see whether it grows")
    add("--flood-seconds", type=float, default=10.0, help="0: none; default: %(default)s")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = options_parser().parse_args(arguments)
    return exit_status("benchmarks.service", lambda: run(options), _lines_of, options.output)


def _lines_of(result: Result) -> Iterator[str]:
    """Yield what is printed in the end."""
    for figure in result.measures:
        spread = f"{figure.least:.4g} .. {figure.most:.4g}"
        yield f"{figure.name}: {figure.value:.4g} {figure.unit} ({spread})"
    yield from failed_lines(result)


def run(options: argparse.Namespace) -> Result:
    """Start a service, load it, and return what was found."""
    around = surroundings()
    with tempfile.TemporaryDirectory() as scratch:
        asked = read_offline(options, Path(scratch))
        serve = ["--lines-only", *options.serve]
        with ServiceProcess(options.model, Path(scratch) / "log", serve) as service:
            load = _Load(service, options, asked)
            measures = load.measures()
            status = service.end()
    if status:
        load.failures.append(Failure("end", f"the service ended with status {status}"))
    return Result(
        benchmark="service",
        title="The service under load",
        command=("python", "-m", "benchmarks.service", *sys.argv[1:]),
        inputs=asked.inputs,
        settings={
            "clients": options.clients,
            "per_request": options.per_request,
            "rounds": options.rounds,
            "minutes": options.minutes,
            "soak": options.soak,
            "serve": list(options.serve),
        },
        measures=tuple(measures),
        failures=tuple(load.failures),
        details={"different_texts": len(set(asked.texts)), **load.details},
        **around,
    )


class _Load:
    """The steps of a run on one service."""

    def __init__(
        self, service: ServiceProcess, options: argparse.Namespace, asked: OfflineTexts
    ) -> None:
        self._service, self._options, self._lines = service, options, asked.file
        self._works = {
            f"requests of {number}": Work(
                service.host, service.port, asked.images, asked.texts, number
            )
            for number in dict.fromkeys((1, options.per_request))
        }
        self.failures: list[Failure] = []
        self.details: dict[str, Any] = {}

    def measures(self) -> list[Measure]:
        """Carry out all steps in their order and return their figures."""
        found = [measure("start", "s", "lower", [self._service.seconds_to_start])]
        found += self._rounds()
        if self._options.flood_seconds:
            found += self._flood()
        return found + self._kill()

    def _rounds(self) -> list[Measure]:
        options = self._options
        seconds = options.minutes * 60 / options.rounds / (1 + len(self._works))
        offline: list[float] = []
        offline_cpu_ms: list[float] = []
        cpu_ms: dict[str, list[float]] = {name: [] for name in self._works}
        tallies: dict[str, list[Tally]] = {name: [] for name in self._works}
        soak = Tally()
        for work in self._works.values():  # once unmeasured, so that all buffers are there
            run_clients(work, options.clients, min(3.0, seconds))
        steps = tqdm(total=options.rounds * (1 + len(self._works)), desc="load", unit="step")

        def num_images() -> int:
            counted = [soak, *itertools.chain.from_iterable(tallies.values())]
            return sum(tally.num_right for tally in counted)

        with steps, MemoryWatch(self._service.replica_pids, num_images) as memory:
            for _ in range(options.rounds):
                found = measure_offline(options.model, self._lines, seconds)
                offline.append(found["images_per_s"])
                offline_cpu_ms.append(found["cpu_ms"])
                steps.update()
                for name, work in self._works.items():
                    cpu_s = self._service.cpu_seconds()
                    tally = Tally()
                    tallies[name].append(tally)
                    run_clients(work, options.clients, seconds, tally)
                    cpu_s = self._service.cpu_seconds() - cpu_s
                    cpu_ms[name].append(1000 * cpu_s / max(1, tally.num_right))
                    self._check(name, tally)
                    steps.set_postfix_str(f"{tally.images_per_s:.0f} / {offline[-1]:.0f} images/s")
                    steps.update()
            self._soak(soak)
        measures = [
            measure("offline / images per second", "images/s", "higher", offline),
            measure("offline / CPU time per image", "ms", "lower", offline_cpu_ms),
        ]
        for name, several in tallies.items():
            rates = [tally.images_per_s for tally in several]
            shares = [rate / base for rate, base in zip(rates, offline, strict=True)]
            measures.append(measure(f"{name} / images per second", "images/s", "higher", rates))
            measures.append(measure(f"{name} / share of offline", "share", "higher", shares))
            measures.append(measure(f"{name} / CPU time per image", "ms", "lower", cpu_ms[name]))
            for percent in (50, 95, 99):
                values = [tally.percentile_ms(percent) for tally in several]
                measures.append(measure(f"{name} / p{percent}", "ms", "lower", values))
        measures.append(measure("replicas / peak memory", "MiB", "lower", [memory.peak_mib]))
        self.details["replicas' MiB, every second"] = [round(mib, 1) for mib in memory.mib]
        self.details["images read by then"] = memory.images
        for name, unit, slope in (
            ("slope", "MiB/min", memory.slope_mib_per_min),
            ("growth", "MiB/100,000 images", memory.slope_mib_per_100k_images),
        ):
            if slope == slope:
                measures.append(measure(f"replicas / memory {name}", unit, "lower", [slope]))
        return measures

    def _soak(self, tally: Tally) -> None:
        """Read on until so many images more have been read, or one was not."""
        work = self._works[f"requests of {self._options.per_request}"]
        with tqdm(total=self._options.soak, desc="soak", disable=not self._options.soak) as bar:
            while tally.num_right < self._options.soak and tally.is_faultless:
                run_clients(work, self._options.clients, _SOAK_STEP_S, tally)
                bar.update(tally.num_right - bar.n)
        self._check("soak", tally)

    def _flood(self) -> list[Measure]:
        """Ask for ten times the capacity, and time how soon a newcomer is answered afterwards."""
        work = self._works[f"requests of {self._options.per_request}"]
        capacity = run_clients(work, self._options.clients, 3.0).images_per_s
        rate = _FLOOD_FACTOR * capacity
        answered: list[float] = []
        flood = threading.Thread(
            target=lambda: tallies.append(run_flood(work, rate, self._options.flood_seconds))
        )
        tallies: list[Tally] = []
        flood.start()
        time.sleep(self._options.flood_seconds)
        begin = time.perf_counter()
        while not answered and time.perf_counter() - begin < _RECOVERED_WITHIN_S:
            if run_clients(self._works["requests of 1"], 1, 0.001).statuses["200"]:
                answered.append(time.perf_counter() - begin)
        flood.join()
        (tally,) = tallies
        self.details["flood"] = dict(tally.statuses)
        if set(tally.statuses) - {"200", "429"} or tally.num_wrong:
            self._fail("flood", tally)
        if not answered:
            reason = f"no answer within {_RECOVERED_WITHIN_S:.0f} s after it"
            self.failures.append(Failure("flood", reason))
            return []
        total = sum(tally.statuses.values())
        asked = total * work.per_request / self._options.flood_seconds
        return [
            measure("flood / asked for", "x capacity", "higher", [asked / capacity]),
            measure("flood / share of 429", "share", "lower", [tally.statuses["429"] / total]),
            measure("flood / recovered after", "s", "lower", answered),
        ]

    def _kill(self) -> list[Measure]:
        """Kill one replica while all clients ask, and return the longest wait."""
        work = self._works["requests of 1"]
        tallies: list[Tally] = []
        load = threading.Thread(
            target=lambda: tallies.append(run_clients(work, self._options.clients, 8.0))
        )
        load.start()
        time.sleep(2.0)
        pids = self._service.replica_pids()
        if not pids:
            self.failures.append(Failure("killed replica", "no process of a replica was found"))
        else:
            os.kill(pids[0], signal.SIGKILL)
        load.join()
        (tally,) = tallies
        self.details["killed replica"] = dict(tally.statuses)
        self._check("killed replica", tally)
        longest = max(tally.latencies_s, default=float("inf"))
        return [measure("killed replica / longest wait", "s", "lower", [longest])]

    def _check(self, what: str, tally: Tally) -> None:
        if not tally.is_faultless:
            self._fail(what, tally)

    def _fail(self, what: str, tally: Tally) -> None:
        reason = f"statuses {dict(tally.statuses)}, {tally.num_wrong} wrong: {tally.wrong}"
        self.failures.append(Failure(what, reason))


if __name__ == "__main__":
    sys.exit(main())
