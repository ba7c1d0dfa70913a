"""How contexts of TensorRT-RTX are made: it captures CUDA graphs and compiles kernels by itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from runtime.files import write_atomically

logger = logging.getLogger(__name__)


class RtxSettings:
    """What contexts of one engine are made with; it has to outlive them.

    The bindings keep neither settings nor kernels alive for a context.

    Args:
        engine: deserialised.
        trt: the library's Python module.
        cache_path: where compiled kernels are kept for the next process.
    """

    def __init__(self, engine: Any, trt: Any, cache_path: Path) -> None:
        self._engine, self._trt, self._cache_path = engine, trt, cache_path
        self._by_graphs: dict[bool, Any] = {}
        self._kernels: Any = None
        self._num_kept_bytes = 0

    def with_graphs(self, use_graphs: bool) -> Any:
        """Return what `create_execution_context` takes.

        Args:
            use_graphs: whether CUDA graphs are captured.
        """
        if use_graphs not in self._by_graphs:
            self._by_graphs[use_graphs] = self._made(use_graphs)
        return self._by_graphs[use_graphs]

    def close(self) -> None:
        """Write compiled kernels for the next process, and let go of settings before the engine."""
        self._keep_kernels()
        self._by_graphs.clear()
        self._kernels = None

    def _keep_kernels(self) -> None:
        if self._kernels is None:
            return
        try:
            data = bytes(memoryview(self._kernels.serialize()))
            if len(data) > self._num_kept_bytes:
                write_atomically(self._cache_path, data)
        except (OSError, RuntimeError, TypeError) as error:
            logger.debug("%s is not kept: %s", self._cache_path, error)

    def _made(self, use_graphs: bool) -> Any:
        trt, settings = self._trt, self._engine.create_runtime_config()
        settings.set_execution_context_allocation_strategy(
            trt.ExecutionContextAllocationStrategy.USER_MANAGED
        )
        graphs = trt.CudaGraphStrategy
        settings.cuda_graph_strategy = graphs.WHOLE_GRAPH_CAPTURE if use_graphs else graphs.DISABLED
        # Kernels are compiled for each shape. Left lazy, others run until these are there, and the
        # same line comes out in other bits after a while.
        if hasattr(trt, "DynamicShapesKernelSpecializationStrategy"):
            eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            settings.dynamic_shapes_kernel_specialization_strategy = eager
        if self._kernels is None:
            self._kernels = settings.create_runtime_cache()
            self._load_kernels()
        settings.set_runtime_cache(self._kernels)
        return settings

    def _load_kernels(self) -> None:
        """Take the kernels that an earlier process compiled; the library checks that they fit."""
        try:
            data = self._cache_path.read_bytes()
        except OSError:
            return
        if self._kernels.deserialize(data):
            self._num_kept_bytes = len(data)
        else:
            logger.info("%s fits another GPU or version and is made anew", self._cache_path)


def diagnosed(runtime: Any, trt: Any, plan: bytes) -> str:
    """Return what TensorRT-RTX says is wrong with a plan; empty where the library does not tell."""
    if not hasattr(runtime, "get_engine_validity"):
        return ""
    _, found = runtime.get_engine_validity(plan)
    kinds = trt.EngineInvalidityDiagnostics.__members__
    return ", ".join(name for name, kind in kinds.items() if int(found) & int(kind))
