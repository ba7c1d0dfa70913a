"""Decides on the number of readers and the resources of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtime.errors import EngineError, OcrError

_MOST_CPUS = 4
"""A reader of files does not keep more CPUs busy: its threads share Python's interpreter lock."""
_CPUS_PER_REPLICA = 8
"""More threads than this in a process begin to wait for Python's interpreter lock."""

Resources = Mapping[str, float]


@dataclass(frozen=True)
class Readers:
    """Processes that read, each with a model of its own.

    Args:
        count: number of readers at once.
        cpus: of each reader, and its threads.
        gpus: of each reader, 0 or 1.
    """

    count: int
    cpus: int
    gpus: int

    @property
    def description(self) -> str:
        """Text such as `3 readers of 4 CPUs each`."""
        gpu = " and a GPU" if self.gpus else ""
        each = " each" if self.count > 1 else ""
        return f"{_counted(self.count, 'reader')} of {_counted(self.cpus, 'CPU')}{gpu}{each}"


def readers_on(
    machines: Sequence[Resources], needs_gpu: bool, may_use_gpu: bool, threads: int | None
) -> Readers:
    """Return readers that fill a cluster.

    Nothing else needs a CPU of its own: readers read their files themselves, and the process that
    sends shards only waits.

    Args:
        machines: resources of each machine, in Ray's names: `CPU`, `GPU`.
        needs_gpu: whether the model runs on a GPU only, or a GPU was asked for.
        may_use_gpu: whether a GPU is used where there is one.
        threads: CPUs of a reader; None divides those of the cluster.

    Raises:
        EngineError: if no machine has what a reader needs.
    """
    with_gpu = [machine for machine in machines if machine.get("GPU", 0) >= 1]
    if needs_gpu and not with_gpu:
        raise EngineError(
            f"no GPU in the cluster: expected a machine with one, got {_listed(machines)}; give an "
            ".onnx file and --device cpu, or add a machine"
        )
    if with_gpu and may_use_gpu:
        # A reader for each GPU, as far as the CPUs of its machine suffice.
        sizes = [(int(machine.get("CPU", 0)), int(machine["GPU"])) for machine in with_gpu]
        cpus = threads or max(1, min(num_cpus // num_gpus for num_cpus, num_gpus in sizes))
        count = sum(min(num_gpus, num_cpus // cpus) for num_cpus, num_gpus in sizes)
        readers = Readers(count, cpus, 1)
    else:
        all_cpus = [int(machine["CPU"]) for machine in machines if machine.get("CPU", 0) >= 1]
        cpus = threads or min([_MOST_CPUS, *all_cpus])
        readers = Readers(sum(num_cpus // cpus for num_cpus in all_cpus), cpus, 0)
    if not readers.count:
        raise EngineError(
            f"no machine of the cluster has room for a reader: expected {readers.cpus} CPUs"
            f"{' and a GPU' if readers.gpus else ''}, got {_listed(machines)}; lower --threads"
        )
    return readers


@dataclass(frozen=True)
class Sizes:
    """The number of replicas, and the resources of each.

    Args:
        replicas: number of replicas.
        cpus, gpus: of the cluster, for each replica.
        threads: of the engine in each replica.
    """

    replicas: int
    cpus: float
    gpus: float
    threads: int


def sizes_for(cpus: float, gpus: float, replicas: int | None) -> Sizes:
    """Divide the free resources among replicas, so that each replica finds what it asks for.

    Args:
        cpus, gpus: free in the cluster.
        replicas: wanted number; when None one for each GPU, else one for every 8 CPUs.

    Raises:
        OcrError: if there is no CPU.
    """
    if cpus <= 0:
        raise OcrError(
            "the Ray cluster has no CPU free: expected at least a part of one; stop other work "
            "there, or leave --ray-address out"
        )
    if replicas is None:
        replicas = int(gpus) or max(1, int(cpus // _CPUS_PER_REPLICA))
    # Ray counts in ten-thousandths; rounded down, all replicas together never ask for too much.
    each_cpu, each_gpu = (int(free / replicas * 10_000) / 10_000 for free in (cpus, gpus))
    if each_cpu >= 1:
        each_cpu = int(each_cpu)
    return Sizes(replicas, each_cpu, min(1.0, each_gpu), max(1, int(each_cpu)))


def _listed(machines: Sequence[Resources]) -> str:
    sizes = ((machine.get("CPU", 0), machine.get("GPU", 0)) for machine in machines)
    return "; ".join(f"{cpus:g} CPUs and {gpus:g} GPUs" for cpus, gpus in sizes) or "none"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
