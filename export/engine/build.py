"""One build with the library itself: graph and profiles in, plan out."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export.engine.configure import configured, known_capabilities, save_timing_cache
from export.engine.layer_info import layer_information
from export.engine.network import bindings_of, parsed_network
from export.engine.options import BuildOptions
from runtime.engines.cuda import Cuda, Gpu, driver_there, open_cuda, require_gpu
from runtime.engines.sidecar_fields import Binding
from runtime.engines.tensorrt.library import TensorRtLibrary, log_of, made
from runtime.engines.tensors import Profile, ShapeRange
from runtime.errors import EngineError

logger = logging.getLogger("export")

_TOO_LARGE = re.compile(
    r"could not find any implementation|no valid tactic|insufficient memory|out of memory"
    r"|outofmemory|exceeds.*(workspace|memory)",
    re.IGNORECASE,
)
_TURING = "7.5"
_NOT_BY_DEFAULT = (_TURING, "8.0")
"""TensorRT-RTX builds no FP32 products for the first and does not list the second as supported."""
_UNBUILDABLE = re.compile(r"\bSM(\d+)(\d)\b")


@dataclass(frozen=True)
class Built:
    """A plan and what the builder knows of it.

    Args:
        plan: its bytes.
        profiles: as built; batches may be smaller than asked for.
        bindings: inputs and outputs.
        library, library_version: that built it.
        gpu: of this machine, None without one.
        target_compute_capabilities: what it was built for, empty when that is the GPU here.
        num_layers: of the parsed network.
        layer_info: JSON of the plan's layers, empty unless it was asked for and there is a GPU.
    """

    plan: bytes
    profiles: tuple[Profile, ...]
    bindings: tuple[Binding, ...]
    library: str
    library_version: str
    gpu: Gpu | None
    target_compute_capabilities: tuple[str, ...]
    num_layers: int
    layer_info: str = ""


def build_plan(
    library: TensorRtLibrary,
    graph: bytes,
    name: str,
    profiles: Sequence[Profile],
    options: BuildOptions,
    cuda: Cuda | None = None,
) -> Built:
    """Build a plan in this process.

    Args:
        library: TensorRT or TensorRT-RTX.
        graph: a serialised engine graph.
        name: of the network.
        profiles: at least one.
        options: everything else.
        cuda: as `open_cuda` gives it, which is asked when None.

    Raises:
        EngineError: with the library's own words.
    """
    gpu = find_gpu(options.device_id, cuda)
    if gpu is None and library.name == "tensorrt":
        # The library gives an object around null without a driver.
        require_gpu(open_cuda() if cuda is None else cuda, options.device_id)
    log = log_of(library.module)
    builder = made(log, "builder", lambda: library.module.Builder(log.logger))
    network, parser = parsed_network(library, log, builder, graph, name)
    bindings, num_layers = bindings_of(network), int(network.num_layers)
    targets = options.compute_capabilities
    if not targets and gpu is None:
        known = known_capabilities(library)
        targets = tuple(capability for capability in known if capability not in _NOT_BY_DEFAULT)
        if len(targets) < len(known):
            logger.info("left out compute capability %s by default", " and ".join(_NOT_BY_DEFAULT))
    if options.timing_cache and gpu is None:
        logger.info("no GPU here: nothing is timed, %s is left as it is", options.timing_cache)
        options = replace(options, timing_cache="")
    wanted = tuple(profiles)
    while True:
        config = configured(library, log, builder, options, wanted, targets)
        mark = log.mark()
        plan = builder.build_serialized_network(network, config)
        if plan is not None:
            break
        said = log.since(mark)
        fewer = _without_unbuildable(targets, said) if not options.compute_capabilities else None
        less = smaller(wanted) if _TOO_LARGE.search(said) else None
        if fewer:
            left_out = ", ".join(target for target in targets if target not in fewer)
            logger.warning("left out compute capability %s, which the library refuses", left_out)
            targets = fewer
        elif less is not None:
            most = max(shapes.max[0] for shapes in less[0].values())
            logger.warning("trying a largest batch of %d: %s", most, said)
            wanted = less
        else:
            # What one version or a machine without a GPU cannot do is known to the library only.
            here = () if gpu is None else (gpu.compute_capability,)
            if _TURING in (targets or here) and "FP32 GEMM" in said:
                raise EngineError(
                    f"{library.name} {library.version} builds no FP32 products for Turing "
                    f"(compute capability {_TURING}), and the last product of a network stays "
                    "FP32: use --backend tensorrt on a machine with such a GPU"
                )
            doubtful = "".join(f"without --{flag}, " for flag in options.flags)
            raise EngineError(
                f"{library.name} {library.version} cannot build the engine: "
                f"{said or 'it gives no reason'}; try {doubtful}smaller shapes (--maxShapes), "
                "another --memPoolSize, or --verbose"
            )
    if options.timing_cache:
        save_timing_cache(config, Path(options.timing_cache))
    del parser  # it has to outlive the network's use
    data = bytes(memoryview(plan))
    is_here = gpu is not None and (not targets or gpu.compute_capability in targets)
    is_wanted = options.is_detailed and is_here
    is_compatible = "versionCompatible" in options.flags
    return Built(
        data,
        wanted,
        bindings,
        library.name,
        library.version,
        gpu,
        tuple(targets),
        num_layers,
        layer_information(library, log, data, is_compatible) if is_wanted else "",
    )


def smaller(profiles: Sequence[Profile]) -> tuple[Profile, ...] | None:
    """Return the same profiles with half the largest batch, None when that goes no further."""
    ranges = [shapes for profile in profiles for shapes in profile.values()]
    half = max(shapes.max[0] for shapes in ranges) // 2
    if half < max(1, *(shapes.min[0] for shapes in ranges)):
        return None
    return tuple(
        {
            name: ShapeRange(
                shapes.min,
                (min(shapes.opt[0], half), *shapes.opt[1:]),
                (min(shapes.max[0], half), *shapes.max[1:]),
            )
            for name, shapes in profile.items()
        }
        for profile in profiles
    )


def find_gpu(device_id: int, cuda: Cuda | None = None) -> Gpu | None:
    """The GPU of a number, None when there is no driver or no GPU at all.

    Raises:
        EngineError: if there are GPUs but none of this number.
    """
    opened = cuda
    try:
        opened = open_cuda() if opened is None else opened
        count = opened.device_count()
    except EngineError as error:
        if opened is not None and driver_there(opened):
            logger.warning("a driver is here, but no GPU can be used: %s", error)
        return None
    return require_gpu(opened, device_id) if count else None


def _without_unbuildable(targets: Sequence[str], said: Any) -> tuple[str, ...] | None:
    """The targets without those that the library names as what it failed for."""
    named = {f"{major}.{minor}" for major, minor in _UNBUILDABLE.findall(said)}
    fewer = tuple(target for target in targets if target not in named)
    return fewer if fewer and len(fewer) < len(targets) else None
