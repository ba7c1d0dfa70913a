"""What may be asked of the builder, in trtexec's words, and what it becomes in TensorRT's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runtime.errors import ConfigError

FLAGS = {
    "refit": "REFIT",
    "versionCompatible": "VERSION_COMPATIBLE",
    "excludeLeanRuntime": "EXCLUDE_LEAN_RUNTIME",
    "stripWeights": "STRIP_PLAN",
}
"""trtexec's switch -> `BuilderFlag`."""
HARDWARE_LEVELS = {
    "none": "NONE",
    "ampere+": "AMPERE_PLUS",
    "sameComputeCapability": "SAME_COMPUTE_CAPABILITY",
}
"""trtexec's word -> `HardwareCompatibilityLevel`."""
POOLS = {
    "workspace": "WORKSPACE",
    "tacticSharedMem": "TACTIC_SHARED_MEMORY",
}
"""trtexec's word -> `MemoryPoolType`."""
_UNITS = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class BuildOptions:
    """Everything asked of the builder but shapes.

    Args:
        backend: `auto`, `tensorrt` or `tensorrt-rtx`.
        device_id: number of the GPU.
        flags: keys of `FLAGS` that are on.
        hardware_level: a key of `HARDWARE_LEVELS`.
        pool_bytes: limit of each memory pool, keys of `POOLS`.
        optimization_level: 0 to 5; the library's own when None.
        max_aux_streams: the library's own when None.
        timing_cache: file that is read before and written after; none when empty.
        compute_capabilities: targets such as `8.9` (TensorRT-RTX); when empty the GPU here, or
            without one all that the library can build for.
        is_detailed: keep what the inspector tells of layers.
        is_verbose: let the library say everything.
    """

    backend: str = "auto"
    device_id: int = 0
    flags: tuple[str, ...] = ()
    hardware_level: str = "none"
    pool_bytes: Mapping[str, int] = field(default_factory=dict)
    optimization_level: int | None = None
    max_aux_streams: int | None = None
    timing_cache: str = ""
    compute_capabilities: tuple[str, ...] = ()
    is_detailed: bool = False
    is_verbose: bool = False

    def __post_init__(self) -> None:
        for flag, value, allowed in (
            ("--hardwareCompatibilityLevel", self.hardware_level, HARDWARE_LEVELS),
            ("--memPoolSize", next((p for p in self.pool_bytes if p not in POOLS), None), POOLS),
        ):
            if value is not None and value not in allowed:
                raise ConfigError(f"{flag}: expected one of {', '.join(allowed)}, got {value!r}")
        if "stripWeights" in self.flags:
            raise ConfigError(
                "--stripWeights: expected a plan with its weights, got the switch that leaves them "
                "out: the runtime does not refit plans; leave it out"
            )
        if "excludeLeanRuntime" in self.flags and "versionCompatible" not in self.flags:
            raise ConfigError(
                "--excludeLeanRuntime: expected --versionCompatible beside it, got none: only such "
                "a plan runs by the lean runtime; give both, or leave it out"
            )
        level = self.optimization_level
        if level is not None and not 0 <= level <= 5:
            raise ConfigError(f"--builderOptimizationLevel: expected 0 to 5, got {level}")
        if self.max_aux_streams is not None and self.max_aux_streams < 0:
            raise ConfigError(
                f"--maxAuxStreams: expected 0 or more, got {self.max_aux_streams}; leave it out "
                "for the library's own choice"
            )
        for capability in self.compute_capabilities:
            if not re.fullmatch(r"[0-9]{1,3}\.[0-9]", capability):
                raise ConfigError(
                    f"--computeCapability: expected numbers like 8.9, got {capability!r}"
                )

    def as_json(self) -> dict[str, Any]:
        """For the sidecar and the process that builds."""
        return asdict(self)

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> BuildOptions:
        """From `as_json`."""
        tuples = {name: tuple(entries[name]) for name in ("flags", "compute_capabilities")}
        return cls(**{**entries, **tuples})


def pools_from_text(text: str) -> dict[str, int]:
    """`workspace:1024,tacticSharedMem:48K` -> bytes; without a unit it is MiB, as in trtexec.

    Raises:
        ConfigError: if it is written otherwise.
    """
    pools = {}
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"(\w+):([0-9]{1,15}(?:\.[0-9]{1,15})?)([BKMG]?)", part)
        if match is None or match[1] not in POOLS or float(match[2]) <= 0:
            raise ConfigError(
                f"--memPoolSize: expected e.g. workspace:1024 (MiB, or a number with B, K, M or "
                f"G) with a pool of {', '.join(POOLS)}, got {part!r}"
            )
        pools[match[1]] = int(float(match[2]) * _UNITS[match[3] or "M"])
    return pools
