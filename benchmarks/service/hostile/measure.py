"""What honest clients get before, during and after one attack, and what the service holds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.service.clients import Tally, Work, run_clients, run_flood
from benchmarks.service.hostile.attack import Target
from benchmarks.service.hostile.attacker import Attacker
from benchmarks.service.memory import MemoryWatch
from benchmarks.service.process import resident_mib

LEAST_SHARE, MOST_P99_MS = 0.8, 2000.0
MOST_PEAK_MIB, MOST_KEPT_MIB = 1024.0, 128.0
"""More memory than before that is still flat. At the peak: in the server the bodies in hand, 256
MiB of them, in more than one form; in a replica the images being decoded, two of 64 million pixels
at once on two CPUs. Afterwards: what allocators and caches keep."""

_GIVES_UP_AFTER_S = 10.0
_RECOVERS_WITHIN_S = 60.0


class HonestTally(Tally):
    """Counts how long every request waited, also one that was refused or never answered."""

    def count(self, status: str, seconds: float) -> None:
        """Count a request that was answered, or was not."""
        self.statuses[status] += 1
        self.latencies_s.append(seconds)


@dataclass(frozen=True)
class Phase:
    """What honest clients got for some time.

    Args:
        images_per_s: answered rightly.
        p50_ms, p99_ms, worst_ms: waits for an answer, whatever it was; None without a request.
        statuses: how many of each; `lost` where no answer came.
        num_wrong: answers with another text than is read offline.
    """

    images_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    worst_ms: float | None
    statuses: dict[str, int] = field(default_factory=dict)
    num_wrong: int = 0

    @property
    def errors(self) -> dict[str, int]:
        """Statuses other than 200."""
        return {status: count for status, count in self.statuses.items() if status != "200"}


@dataclass(frozen=True)
class Memory:
    """What processes hold together, in MiB.

    Args:
        before, after: while only honest clients ask.
        peak: during the attack.
    """

    before: float
    peak: float
    after: float

    @property
    def is_flat(self) -> bool:
        """Tell whether it grew no more than stated above."""
        peak, kept = self.peak - self.before, self.after - self.before
        return peak <= MOST_PEAK_MIB and kept <= MOST_KEPT_MIB


@dataclass(frozen=True)
class Finding:
    """One attack and what it did.

    Args:
        attack: its name.
        before, during, after: what honest clients got.
        server, replicas: their memory.
        recovered_after_s: from the attack's end until a newcomer was answered; None: not at all.
        attacker: what came of the attack's connections.
    """

    attack: str
    before: Phase
    during: Phase
    after: Phase
    server: Memory
    replicas: Memory
    recovered_after_s: float | None
    attacker: dict[str, int]

    @property
    def share_kept(self) -> float:
        """Of the rate before, the part that honest clients had during the attack."""
        return self.during.images_per_s / max(self.before.images_per_s, 1e-9)

    @property
    def met(self) -> dict[str, bool]:
        """Each aim, and whether it was met."""
        p99_ms = self.during.p99_ms
        return {
            "rate": self.share_kept >= LEAST_SHARE,
            "p99": p99_ms is not None and p99_ms < MOST_P99_MS,
            "memory": self.server.is_flat and self.replicas.is_flat,
            "answers after": self.recovered_after_s is not None,
        }

    @property
    def is_met(self) -> bool:
        """Tell whether all aims were met."""
        return all(self.met.values())

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands among a result's details."""
        return {**asdict(self), "share_kept": self.share_kept, "met": self.met}


@dataclass(frozen=True)
class HonestLoad:
    """Newcomers who ask at a steady rate, whatever becomes of their requests.

    Args:
        work: what they ask for.
        images_per_s: together.
        num_clients: who share the rate, and so how many wait at once at most.
    """

    work: Work
    images_per_s: float
    num_clients: int

    def run(self, seconds: float) -> Phase:
        """Ask for so long, and wait for what was asked then."""
        tally = run_flood(
            self.work,
            self.images_per_s,
            seconds,
            self.num_clients,
            HonestTally(),
            timeout_s=_GIVES_UP_AFTER_S,
            are_newcomers=True,
        )
        waits = [tally.percentile_ms(percent) for percent in (50, 99, 100)]
        p50_ms, p99_ms, worst_ms = (None if math.isnan(wait) else wait for wait in waits)
        rate = tally.num_right / seconds
        return Phase(rate, p50_ms, p99_ms, worst_ms, dict(tally.statuses), tally.num_wrong)


def measure_attack(
    attack: str,
    target: Target,
    size: float,
    server_pid: int,
    replica_pids: Callable[[], list[int]],
    load: HonestLoad,
    seconds: float,
    calm_seconds: float,
) -> Finding:
    """Attack a service while honest clients ask it.

    Args:
        attack: its name.
        target: what is attacked, and from where.
        size: as the attacks take it.
        server_pid, replica_pids: processes whose memory is watched.
        load: the honest clients.
        seconds: of attack.
        calm_seconds: before, and after.

    Raises:
        OSError: if the attacker fails.
    """

    def held() -> tuple[float, float]:
        replicas = [resident_mib(pid) or 0.0 for pid in replica_pids()]
        return resident_mib(server_pid) or 0.0, sum(replicas)

    # The attacker builds what it sends before the calm phase, and ends by itself in any case.
    with Attacker(attack, target, size, 2 * seconds + _GIVES_UP_AFTER_S) as attacker:
        before = load.run(calm_seconds)
        held_before = held()
        with (
            MemoryWatch(lambda: [server_pid], lambda: 0, period_s=0.25) as server_watch,
            MemoryWatch(replica_pids, lambda: 0) as replica_watch,
        ):
            attacker.begin()
            during = load.run(seconds)
            attacker.stop()
    recovered_after_s = _seconds_to_an_answer(load.work)
    after = Phase(0.0, None, None, None)
    # A service that does not answer any more gets no calm phase afterwards.
    if recovered_after_s is not None:
        after = load.run(calm_seconds)
    server_memory, replica_memory = (
        Memory(first, max([first, *watch.mib]), last)
        for first, watch, last in zip(
            held_before, (server_watch, replica_watch), held(), strict=True
        )
    )
    return Finding(
        attack,
        before,
        during,
        after,
        server_memory,
        replica_memory,
        recovered_after_s,
        attacker.outcomes,
    )


def _seconds_to_an_answer(work: Work) -> float | None:
    """Return after how long a newcomer is answered, None if that takes too long."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < _RECOVERS_WITHIN_S:
        load = HonestLoad(work, 10.0, 1)
        if load.run(0.05).statuses.get("200"):
            return time.perf_counter() - begin
    return None


def steady_rate(work: Work, num_clients: int, share: float) -> float:
    """Return so large a share of what the service can take from so many clients, in images/s."""
    run_clients(work, num_clients, 2.0)  # so that all buffers are there
    return share * run_clients(work, num_clients, 5.0).images_per_s
