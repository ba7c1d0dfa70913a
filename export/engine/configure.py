"""Options -> the builder's configuration; only what is asked for is touched."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.engine.options import FLAGS, HARDWARE_LEVELS, POOLS, BuildOptions
from export.engine.progress import progress_monitor
from runtime.engines.tensorrt.library import TensorRtLibrary, TensorRtLog
from runtime.engines.tensors import Profile
from runtime.errors import EngineError
from runtime.files import write_atomically

logger = logging.getLogger("export")


def configured(
    library: TensorRtLibrary,
    log: TensorRtLog,
    builder: Any,
    options: BuildOptions,
    profiles: Sequence[Profile],
    capabilities: Sequence[str],
) -> Any:
    """A configuration of a builder.

    Args:
        library: the library.
        log: what it says.
        builder: its builder.
        options: what is asked for.
        profiles: at least one.
        capabilities: targets of TensorRT-RTX, e.g. `8.9`; empty leaves the choice to the library.

    Raises:
        EngineError: if this version does not know what is asked for.
    """
    trt = library.module
    config = builder.create_builder_config()
    # TF32 rounds products as FP16 does; what is kept FP32 is kept so for its bits.
    if hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)
    for word in options.flags:
        config.set_flag(_member(library, "BuilderFlag", FLAGS[word], f"--{word}"))
    if options.hardware_level != "none":
        name = HARDWARE_LEVELS[options.hardware_level]
        config.hardware_compatibility_level = _member(
            library, "HardwareCompatibilityLevel", name, "--hardwareCompatibilityLevel"
        )
    for pool, nbytes in options.pool_bytes.items():
        kind = _member(library, "MemoryPoolType", POOLS[pool], "--memPoolSize")
        config.set_memory_pool_limit(kind, nbytes)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    if options.max_aux_streams is not None:
        config.max_aux_streams = options.max_aux_streams
    if options.is_detailed:
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if (monitor := progress_monitor(trt)) is not None:
        config.progress_monitor = monitor
    _set_targets(library, config, capabilities)
    if options.timing_cache:
        _load_timing_cache(config, Path(options.timing_cache), log)
    for profile in profiles:
        _add_profile(builder, config, profile, log)
    return config


def save_timing_cache(config: Any, path: Path) -> None:
    """Keep what the builder has timed, whole or not at all; a place that refuses is a warning."""
    cache = config.get_timing_cache()
    if cache is None:
        return
    try:
        write_atomically(path, bytes(memoryview(cache.serialize())))
    except OSError as error:
        logger.warning("--timingCacheFile: %s cannot be written: %s", path, error.strerror or error)


def known_capabilities(library: TensorRtLibrary) -> tuple[str, ...]:
    """Targets that the library can build for without such a GPU, e.g. `8.9`; empty if none."""
    kinds = getattr(library.module, "ComputeCapability", None)
    names = [name for name in dir(kinds) if name.startswith("SM")] if kinds else []
    found = [f"{name[2:-1]}.{name[-1]}" for name in names if name[2:].isdecimal()]
    return tuple(sorted(found, key=float))


def _set_targets(library: TensorRtLibrary, config: Any, capabilities: Sequence[str]) -> None:
    if not capabilities:
        return
    if not hasattr(library.module, "ComputeCapability"):
        raise EngineError(
            f"{library.name} {library.version} builds for the GPU at hand only: expected no "
            f"--computeCapability, got {', '.join(capabilities)}; use --backend tensorrt-rtx"
        )
    config.num_compute_capabilities = len(capabilities)
    for index, capability in enumerate(capabilities):
        name = f"SM{capability.replace('.', '')}"
        kind = _member(library, "ComputeCapability", name, "--computeCapability")
        if not config.set_compute_capability(kind, index):
            raise EngineError(f"{library.name} {library.version} refuses to build for {capability}")


def _member(library: TensorRtLibrary, enumeration: str, name: str, flag: str) -> Any:
    kinds = getattr(library.module, enumeration, None)
    if not hasattr(kinds, name):
        known = [kind for kind in dir(kinds) if kind.isupper()]
        raise EngineError(
            f"{flag}: {library.name} {library.version} does not know {name}: expected one of "
            f"{', '.join(known)}"
        )
    return getattr(kinds, name)


def _load_timing_cache(config: Any, path: Path, log: TensorRtLog) -> None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        logger.warning("--timingCacheFile: %s cannot be read: %s", path, error.strerror or error)
        data = b""
    mark = log.mark()
    cache = config.create_timing_cache(data)
    if cache is not None and config.set_timing_cache(cache, False):
        return
    logger.warning(
        "%s fits another version or GPU and is made anew: %s", path, log.since(mark) or "refused"
    )
    config.set_timing_cache(config.create_timing_cache(b""), False)


def _add_profile(builder: Any, config: Any, profile: Profile, log: TensorRtLog) -> None:
    mark = log.mark()
    made = builder.create_optimization_profile()
    try:
        for name, shapes in profile.items():
            made.set_shape(name, shapes.min, shapes.opt, shapes.max)
        is_taken = config.add_optimization_profile(made) >= 0
    except RuntimeError:  # what the bindings raise for sizes that cannot be
        is_taken = False
    if not is_taken:
        told = ", ".join(f"{name} {shapes}" for name, shapes in profile.items())
        raise EngineError(f"the library refuses the profile {told}: {log.since(mark)}")
