from __future__ import annotations

import pytest

from runtime.cluster.sizing import Readers, Sizes, readers_on, sizes_for
from runtime.errors import EngineError, OcrError

LAPTOP = {"CPU": 2.0}
SERVER = {"CPU": 30.0}
WITH_GPUS = {"CPU": 16.0, "GPU": 2.0}


@pytest.mark.parametrize(
    ("machines", "threads", "expected"),
    [
        ([LAPTOP], None, Readers(1, 2, 0)),
        ([LAPTOP], 1, Readers(2, 1, 0)),
        ([SERVER], None, Readers(7, 4, 0)),
        ([SERVER, SERVER], 30, Readers(2, 30, 0)),
        ([LAPTOP, SERVER], None, Readers(16, 2, 0)),
        ([{"CPU": 0.0}, SERVER], None, Readers(7, 4, 0)),
        ([WITH_GPUS, LAPTOP], None, Readers(2, 8, 1)),
        ([WITH_GPUS, {"CPU": 4.0, "GPU": 1.0}], None, Readers(3, 4, 1)),
        ([{"CPU": 2.0, "GPU": 4.0}], None, Readers(2, 1, 1)),
        ([WITH_GPUS], 16, Readers(1, 16, 1)),
    ],
)
def test_readers_fill_the_machines(
    machines: list[dict[str, float]], threads: int | None, expected: Readers
) -> None:
    assert readers_on(machines, False, True, threads) == expected


def test_no_machine_is_asked_for_more_than_it_has() -> None:
    """Every CPU may belong to a reader: nothing else waits for one, so nothing hangs."""
    for cpus in range(1, 70):
        readers = readers_on([{"CPU": float(cpus)}], False, False, None)
        assert 0 <= cpus - readers.count * readers.cpus < readers.cpus


def test_gpus_are_left_alone_where_the_cpu_was_asked_for() -> None:
    assert readers_on([WITH_GPUS], False, False, None) == Readers(4, 4, 0)


@pytest.mark.parametrize(
    ("machines", "needs_gpu", "threads", "reason"),
    [
        ([LAPTOP], True, None, "no GPU in the cluster: .* got 2 CPUs and 0 GPUs"),
        ([LAPTOP], False, 8, "no machine .* has room for a reader: expected 8 CPUs, got 2 CPUs"),
        ([], False, None, "got none"),
    ],
)
def test_what_cannot_be_had_is_said(
    machines: list[dict[str, float]], needs_gpu: bool, threads: int | None, reason: str
) -> None:
    with pytest.raises(EngineError, match=reason):
        readers_on(machines, needs_gpu, True, threads)


def test_it_says_what_was_chosen() -> None:
    assert Readers(1, 2, 0).description == "1 reader of 2 CPUs"
    assert Readers(3, 1, 1).description == "3 readers of 1 CPU and a GPU each"


@pytest.mark.parametrize(
    ("cpus", "gpus", "replicas", "sizes"),
    [
        (2.0, 0.0, None, Sizes(1, 2, 0, 2)),
        (2.0, 0.0, 2, Sizes(2, 1, 0, 1)),
        (2.0, 0.0, 3, Sizes(3, 0.6666, 0, 1)),
        (1.0, 0.0, 1, Sizes(1, 1, 0, 1)),
        (0.5, 0.0, 1, Sizes(1, 0.5, 0, 1)),
        (64.0, 0.0, None, Sizes(8, 8, 0, 8)),
        (20.0, 0.0, 3, Sizes(3, 6, 0, 6)),
        (16.0, 4.0, None, Sizes(4, 4, 1, 4)),
        (16.0, 4.0, 2, Sizes(2, 8, 1, 8)),
        (16.0, 1.0, 2, Sizes(2, 8, 0.5, 8)),
    ],
)
def test_shares_never_exceed_what_is_free(
    cpus: float, gpus: float, replicas: int | None, sizes: Sizes
) -> None:
    got = sizes_for(cpus, gpus, replicas)
    assert got == sizes
    assert got.cpus * got.replicas <= cpus and got.gpus * got.replicas <= max(gpus, 0)


def test_no_cpu_is_said_instead_of_waited_for() -> None:
    with pytest.raises(OcrError, match="no CPU free"):
        sizes_for(0.0, 1.0, None)
