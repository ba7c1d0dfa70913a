"""What honest clients get is measured as they feel it, and held against the aims."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.service.clients import Work
from benchmarks.service.hostile.attack import Target
from benchmarks.service.hostile.measure import (
    Finding,
    HonestLoad,
    HonestTally,
    Memory,
    Phase,
    measure_attack,
)
from benchmarks.service.hostile.table import table
from runtime import Recognizer
from tests.benchmarks.service.hostile.conftest import TEXT
from tests.runtime.serve.conftest import LocalBackend, Served

CALM = Phase(10.0, 20.0, 50.0, 60.0, {"200": 100})
FLAT = Memory(100.0, 110.0, 101.0)
MET = Finding("half_headers", CALM, CALM, CALM, FLAT, FLAT, 0.1, {"408": 3, "under way": 2})


def work_at(server: Any) -> Work:
    return Work("127.0.0.1", server.port, [b"image"], [TEXT])


def test_newcomers_ask_at_their_rate(start_server: Any) -> None:
    server = start_server()
    phase = HonestLoad(work_at(server), 40.0, 8).run(1.0)
    assert set(phase.statuses) == {"200"} and not phase.errors and not phase.num_wrong
    assert 0 < phase.images_per_s <= 41
    assert phase.p50_ms is not None and phase.p99_ms is not None and phase.worst_ms is not None
    assert 0 < phase.p50_ms <= phase.p99_ms <= phase.worst_ms
    assert len(server.received) == phase.statuses["200"]  # each on a connection of its own


def test_refusals_are_no_answers(start_server: Any) -> None:
    phase = HonestLoad(work_at(start_server(429)), 40.0, 8).run(0.5)
    assert phase.images_per_s == 0 and set(phase.errors) == {"429"}


def test_a_request_never_answered_has_waited_all_the_same() -> None:
    tally = HonestTally()
    tally.count("200", 0.1)
    tally.count("lost", 10.0)
    assert tally.percentile_ms(100) == 10_000 and tally.statuses["lost"] == 1


def test_who_is_never_answered_gives_up(start_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.service.hostile.measure._GIVES_UP_AFTER_S", 0.3)
    phase = HonestLoad(work_at(start_server(None)), 20.0, 2).run(0.5)
    assert set(phase.statuses) == {"lost"} and phase.worst_ms is not None
    assert phase.worst_ms >= 250


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"during": replace(CALM, images_per_s=7.9)}, "rate"),
        ({"during": replace(CALM, p99_ms=2000.0)}, "p99"),
        ({"during": replace(CALM, p99_ms=None)}, "p99"),
        ({"server": Memory(100.0, 6700.0, 101.0)}, "memory"),
        ({"replicas": Memory(100.0, 110.0, 300.0)}, "memory"),
        ({"recovered_after_s": None}, "answers after"),
    ],
)
def test_each_aim_can_be_missed(change: dict[str, Any], missed: str) -> None:
    assert MET.is_met and MET.as_json()["met"] == dict.fromkeys(MET.met, True)
    finding = replace(MET, **change)
    assert [aim for aim, is_met in finding.met.items() if not is_met] == [missed]
    assert not finding.is_met and f"not {missed}" in table([finding])


@pytest.mark.parametrize(
    ("attack", "size", "outcome"), [("half_headers", 0.02, "under way"), ("gzip_bomb", 0.1, "413")]
)
def test_a_service_is_attacked_while_honest_clients_ask(
    toy_onnx: Path, labelled_lines: Path, attack: str, size: float, outcome: str
) -> None:
    for library in ("fastapi", "uvicorn", "prometheus_client", "python_multipart", "onnxruntime"):
        pytest.importorskip(library)
    images = [file.read_bytes() for file in sorted(labelled_lines.parent.glob("*.png"))]
    with Recognizer(toy_onnx) as recognizer:
        texts = [read.text for read in recognizer(images)]
    with Served(LocalBackend(toy_onnx, 2**20)) as served:
        host, port = served.socket.getsockname()
        load = HonestLoad(Work(host, port, images, texts), 10.0, 4)
        target = Target(host, port, "toy", images[0], ("127.0.0.2",))
        pid = os.getpid()
        finding = measure_attack(attack, target, size, pid, lambda: [pid], load, 2.0, 0.5)
    assert finding.attacker[outcome] > 1
    for phase in (finding.before, finding.during, finding.after):
        assert set(phase.statuses) == {"200"} and not phase.num_wrong
    assert finding.recovered_after_s is not None and finding.met["answers after"]
    assert finding.server.peak >= finding.server.before > 0
    assert finding.replicas.before > 0


def test_the_table_has_a_line_for_each() -> None:
    head, first, second = table([MET, replace(MET, attack="silent")]).splitlines()
    assert head.startswith("attack") and first.startswith("half_headers")
    assert second.startswith("silent") and " 100 % " in second and "408:3" in second
