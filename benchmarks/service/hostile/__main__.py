"""What honest clients of the service still get while somebody attacks it, attack by attack.

    python -m benchmarks.service.hostile --model student.onnx --images images --output hostile.json

Newcomers ask at a steady rate, a share of what the service can take; then an attacker joins them,
a process of its own on another address of loopback, which stops by itself. Aimed at: honest clients
keep 80 % of their rate, p99 of their waits stays below 2 s, memory flat, answers afterwards.

Service, honest clients and attacker share this machine's CPUs. An attack that may ask for work,
as images that are large but allowed or requests that hang up, competes with honest clients for
them: on two CPUs what they lose to it is not all the service's fault. `nothing` shows what the
measure varies by.

Exit status: 0 measured, whether or not the aims were met; 1 an attack could not be measured, an
answer was wrong, or none came afterwards; 2 nothing measured.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.result import Failure, Measure, Result, exit_status, measure, surroundings
from benchmarks.service.clients import Work
from benchmarks.service.hostile.attack import Target
from benchmarks.service.hostile.attacks import ATTACKS
from benchmarks.service.hostile.measure import Finding, HonestLoad, measure_attack, steady_rate
from benchmarks.service.hostile.table import table
from benchmarks.service.offline import OfflineTexts, add_arguments, failed_lines, read_offline
from benchmarks.service.process import ServiceProcess

_DESCRIPTORS = 1024
"""What a process has where nobody raised it, and what `connections` goes beyond."""
_NAME = "attacked"


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    described = "\n".join(f"  {name:17} {made.__doc__}" for name, made in ATTACKS.items())
    parser = command_parser(
        "benchmarks.service.hostile",
        __doc__,
        epilog=f"attacks:\n{described}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_arguments(parser, count=50)
    add("--attacks", nargs="+", choices=list(ATTACKS), metavar="NAME", help="default: all")
    add("--seconds", type=float, default=60.0, help="of each attack; default: %(default)s")
    add("--calm", type=float, default=10.0, help="seconds before and after; default: %(default)s")
    add("--size", type=float, default=1.0, help="share of each attack's size; default: %(default)s")
    add("--clients", type=int, default=32, help="honest, at once; default: %(default)s")
    add("--share", type=float, default=0.3, help="of capacity they ask for; default: %(default)s")
    add("--rate", type=float, metavar="IMAGES/S", help="they ask for, instead of a share")
    add("--sources", nargs="+", default=["127.0.0.2"], help="attacks come from; honest: 127.0.0.1")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = options_parser().parse_args(arguments)

    return exit_status(
        "benchmarks.service.hostile", lambda: run(options), _lines_of, options.output
    )


def run(options: argparse.Namespace) -> Result:
    """Attack a service in every way asked for, and return what was found."""
    around = surroundings()
    with tempfile.TemporaryDirectory() as scratch:
        asked = read_offline(options, Path(scratch))
        siege = _Siege(options, Path(scratch) / "log", asked)
        with siege, tqdm(options.attacks or list(ATTACKS), desc="attacks") as names:
            for name in names:
                names.set_postfix_str(name)
                siege.attack(name)
    return Result(
        benchmark="service_hostile",
        title="The service under attack",
        command=("python", "-m", "benchmarks.service.hostile", *sys.argv[1:]),
        inputs=asked.inputs,
        settings={
            "seconds": options.seconds,
            "calm": options.calm,
            "size": options.size,
            "clients": options.clients,
            "images_per_s": siege.images_per_s,
            "descriptors": _DESCRIPTORS,
            "sources": options.sources,
            "serve": list(options.serve),
        },
        measures=tuple(figure for finding in siege.findings for figure in _measures(finding)),
        failures=tuple(siege.failures),
        details={finding.attack: finding.as_json() for finding in siege.findings},
        **around,
    )


class _Siege:
    """A service that is attacked, started anew where an attack has spoilt it."""

    def __init__(self, options: argparse.Namespace, log: Path, asked: OfflineTexts) -> None:
        self._options, self._log, self._asked = options, log, asked
        self._service: ServiceProcess | None = None
        self.images_per_s: float | None = options.rate
        self.findings: list[Finding] = []
        self.failures: list[Failure] = []

    def attack(self, name: str) -> None:
        """Attack in this way and keep what was found."""
        options, service = self._options, self._ensure_started()
        images, texts = self._asked.images, self._asked.texts
        work = Work(service.host, service.port, images, texts)
        if self.images_per_s is None:
            self.images_per_s = steady_rate(work, options.clients, options.share)
        target = Target(service.host, service.port, _NAME, images[0], tuple(options.sources))
        load = HonestLoad(work, self.images_per_s, options.clients)
        try:
            finding = measure_attack(
                name,
                target,
                options.size,
                service.process.pid,
                service.replica_pids,
                load,
                options.seconds,
                options.calm,
            )
        except OSError as error:
            self.failures.append(Failure(name, f"the attack failed: {error}"))
            self._kill()
            return
        self.findings.append(finding)
        tqdm.write(table([finding], with_head=len(self.findings) == 1))
        num_wrong = sum(
            phase.num_wrong for phase in (finding.before, finding.during, finding.after)
        )
        if num_wrong:
            self.failures.append(Failure(name, f"{num_wrong} answers were wrong"))
        if finding.recovered_after_s is None:
            tail = tuple(service.log.splitlines()[-10:])
            self.failures.append(Failure(name, "no answer afterwards", tail=tail))
        # A service that grew or fell silent would spoil the next attack's figures.
        if not (finding.met["memory"] and finding.met["answers after"]):
            self._kill()

    def _ensure_started(self) -> ServiceProcess:
        if self._service is None:
            options = ["--name", _NAME, "--lines-only", *self._options.serve]
            service = ServiceProcess(
                self._options.model, self._log, options, descriptors=_DESCRIPTORS
            )
            self._service = service.__enter__()
        return self._service

    def _kill(self) -> None:
        """End the service and all that it started, whether or not it still listens to anyone."""
        service, self._service = self._service, None
        if service is None:
            return
        for pid in service.family_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        service.process.wait()

    def __enter__(self) -> _Siege:
        return self

    def __exit__(self, *reason: object) -> None:
        try:
            if self._service is not None:
                self._service.end()
        finally:
            self._kill()


def _measures(finding: Finding) -> list[Measure]:
    """Return the figures of one attack."""
    during = finding.during
    figures = (
        ("share of rate kept", "share", "higher", finding.share_kept),
        ("p50", "ms", "lower", during.p50_ms),
        ("p99", "ms", "lower", during.p99_ms),
        ("worst", "ms", "lower", during.worst_ms),
        ("server / peak memory", "MiB", "lower", finding.server.peak),
        ("replicas / peak memory", "MiB", "lower", finding.replicas.peak),
        ("recovered after", "s", "lower", finding.recovered_after_s),
    )
    return [
        measure(f"{finding.attack} / {name}", unit, better, [value])
        for name, unit, better, value in figures
        if value is not None
    ]


def _lines_of(result: Result) -> Iterator[str]:
    """Yield what is printed in the end."""
    met = sum(all(finding["met"].values()) for finding in result.details.values())
    yield f"{met} of {len(result.details)} attacks leave honest clients what is aimed at"
    yield from failed_lines(result)


if __name__ == "__main__":
    sys.exit(main())
