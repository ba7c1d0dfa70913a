"""How many readers, and how much of a machine each of them gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtime.errors import EngineError

_MOST_CPUS = 4
"""One process does not keep more CPUs busy: decoding and Python share one interpreter lock."""

Resources = Mapping[str, float]


@dataclass(frozen=True)
class Readers:
    """Processes that read, each with a model of its own.

    Args:
        count: how many there can be at once.
        cpus: of each, which are its threads.
        gpus: of each, 0 or 1.
    """

    count: int
    cpus: int
    gpus: int

    @property
    def description(self) -> str:
        """E.g. `3 readers of 4 CPUs each`."""
        gpu = " and a GPU" if self.gpus else ""
        each = " each" if self.count > 1 else ""
        return f"{_many(self.count, 'reader')} of {_many(self.cpus, 'CPU')}{gpu}{each}"


def readers_on(
    machines: Sequence[Resources], needs_gpu: bool, may_use_gpu: bool, threads: int | None
) -> Readers:
    """Readers that fill a cluster.

    Nothing else needs a CPU of its own: a reader reads its files itself, and who asks only waits.

    Args:
        machines: what each has, as Ray tells it: `CPU`, `GPU`.
        needs_gpu: whether the model runs on a GPU only, or one was asked for.
        may_use_gpu: whether a GPU is used where there is one.
        threads: CPUs of a reader; None shares out what there is.

    Raises:
        EngineError: if no machine has what a reader needs.
    """
    with_gpu = [one for one in machines if one.get("GPU", 0) >= 1]
    if needs_gpu and not with_gpu:
        raise EngineError(
            f"no GPU in the cluster: expected a machine with one, got {_told(machines)}; give an "
            ".onnx file and --device cpu, or add a machine"
        )
    if with_gpu and may_use_gpu:
        shares = [int(one.get("CPU", 0)) // int(one["GPU"]) for one in with_gpu]
        cpus = threads or max(1, min(shares))
        by_cpus = [int(one.get("CPU", 0)) // cpus for one in with_gpu]
        count = sum(min(int(one["GPU"]), most) for one, most in zip(with_gpu, by_cpus, strict=True))
        readers = Readers(count, cpus, 1)
    else:
        sizes = [int(one["CPU"]) for one in machines if one.get("CPU", 0) >= 1]
        cpus = threads or min([_MOST_CPUS, *sizes])
        readers = Readers(sum(size // cpus for size in sizes), cpus, 0)
    if not readers.count:
        raise EngineError(
            f"no machine of the cluster has room for a reader: expected {readers.cpus} CPUs"
            f"{' and a GPU' if readers.gpus else ''}, got {_told(machines)}; lower --threads"
        )
    return readers


def _told(machines: Sequence[Resources]) -> str:
    each = [f"{one.get('CPU', 0):g} CPUs and {one.get('GPU', 0):g} GPUs" for one in machines]
    return "; ".join(each) or "none"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
