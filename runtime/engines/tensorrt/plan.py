"""A TensorRT plan, checked and deserialised; lanes share it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from runtime.engines.cuda import Cuda, open_cuda
from runtime.engines.sidecar import EngineSidecar, sidecar_path
from runtime.engines.tensorrt.library import (
    TensorRtLibrary,
    TensorRtLog,
    load_tensorrt,
    require_driver,
)
from runtime.errors import ArtifactError, EngineError
from runtime.files import sha256_of

logger = logging.getLogger(__name__)

DTYPES = {
    "BOOL": "bool",
    "FLOAT": "float32",
    "HALF": "float16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
}
"""TensorRT's names of types, and NumPy's."""


class TensorRtPlan:
    """A deserialised plan on one GPU. Any thread may make contexts of it.

    Args:
        path: the plan; its sidecar stands beside it.
        device_id: number of the GPU.
        cuda: what to reach the GPU with; what is installed when None.
        library: what to open the plan with; what the sidecar names when None.

    Raises:
        ArtifactError: if the plan or its sidecar is missing, damaged or contradictory.
        EngineError: if a package, the driver or the GPU is missing, or the plan does not fit them.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        device_id: int = 0,
        cuda: Cuda | None = None,
        library: TensorRtLibrary | None = None,
    ) -> None:
        self.path, self.device_id = Path(path), device_id
        self.sidecar = EngineSidecar.read(path)
        if library is None:
            library = load_tensorrt(self.sidecar.library.replace("_", "-"))
        self.library = library
        self.cuda = open_cuda() if cuda is None else cuda
        self.gpu = require_driver(self.cuda, device_id)
        self.log = TensorRtLog(library.module)
        self.captures_by_itself = hasattr(library.module, "CudaGraphStrategy")
        self.capture_refused = False
        self._lock = threading.Lock()
        self._kernel_cache: Any = None
        self._engine: Any = self._opened(self._checked_plan())
        self._check_bindings()
        self.scratch_nbytes = int(self._engine.device_memory_size_v2)

    def create_context(self, use_graphs: bool) -> Any:
        """Make an execution context that is given its device memory by the caller.

        Args:
            use_graphs: whether a library that captures CUDA graphs by itself is to do so.

        Raises:
            EngineError: if there is none to be had, or the engine is closed.
        """
        with self._lock:
            if self._engine is None:
                raise EngineError(f"{self.path}: the engine is closed; open the model again")
            mark = self.log.mark()
            context = self._engine.create_execution_context(self._context_settings(use_graphs))
        if context is None:
            raise self.failure("no execution context could be made", mark)
        return context

    def failure(self, what: str, mark: int) -> EngineError:
        """Return an error that carries what TensorRT has said since a mark of the log."""
        said = self.log.since(mark) or "nothing"
        return EngineError(f"{self.path}: {what}; TensorRT said: {said}")

    def close(self) -> None:
        """Let go of the engine; what lanes still hold of it lives until they close."""
        with self._lock:
            self._engine = self._kernel_cache = None

    def _context_settings(self, use_graphs: bool) -> Any:
        """What `create_execution_context` takes."""
        trt = self.library.module
        user_managed = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if not self.captures_by_itself:
            return user_managed
        # TensorRT-RTX compiles kernels for each shape behind the scenes and knows when they are
        # there to be captured; contexts that share a cache compile each of them once.
        settings = self._engine.create_runtime_config()
        settings.set_execution_context_allocation_strategy(user_managed)
        graphs = trt.CudaGraphStrategy
        settings.cuda_graph_strategy = graphs.WHOLE_GRAPH_CAPTURE if use_graphs else graphs.DISABLED
        if self._kernel_cache is None:
            self._kernel_cache = settings.create_runtime_cache()
        settings.set_runtime_cache(self._kernel_cache)
        return settings

    def _checked_plan(self) -> bytes:
        try:
            plan = self.path.read_bytes()
        except OSError as error:
            raise ArtifactError(
                f"cannot open the plan {self.path}: {error.strerror}; rebuild: "
                f"{self.sidecar.rebuild_command}"
            ) from error
        self.sidecar.check(
            self.path,
            sha256_of(plan),
            self.library.name,
            self.library.version,
            self.gpu.compute_capability,
        )
        return plan

    def _opened(self, plan: bytes) -> Any:
        mark = self.log.mark()
        runtime = self.library.module.Runtime(self.log.logger)
        if self.sidecar.version_compatible:
            # Such a plan brings the code that runs it; its hash is the one that was built.
            runtime.engine_host_code_allowed = True
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(
                f"{self.path}: {self.library.name} {self.library.version} cannot open the plan, "
                f"it said: {self.log.since(mark) or 'nothing'}; rebuild: "
                f"{self.sidecar.rebuild_command}"
            )
        return engine  # which keeps the runtime alive

    def _check_bindings(self) -> None:
        """Refuse a plan that is not what its sidecar says it is."""
        engine, trt, sidecar = self._engine, self.library.module, self.sidecar
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        modes = {
            name: "input" if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else "output"
            for name in names
        }
        types = {name: engine.get_tensor_dtype(name).name for name in names}
        inputs = [name for name in names if modes[name] == "input"]
        profiles = [
            {
                name: [list(shape) for shape in engine.get_tensor_profile_shape(name, index)]
                for name in inputs
            }
            for index in range(engine.num_optimization_profiles)
        ]
        for what, expected, got in (
            ("name", sidecar.engine_name, engine.name),
            ("inputs and outputs", {one.name: one.mode for one in sidecar.bindings}, modes),
            (
                "types",
                {one.name: one.dtype for one in sidecar.bindings},
                {name: DTYPES.get(dtype, dtype.lower()) for name, dtype in types.items()},
            ),
            (
                "profiles",
                [
                    {
                        name: [list(shapes.min), list(shapes.opt), list(shapes.max)]
                        for name, shapes in profile.items()
                    }
                    for profile in sidecar.profiles
                ],
                profiles,
            ),
        ):
            if got != expected:
                raise ArtifactError(
                    f"{self.path}: the plan is not what {sidecar_path(self.path).name} says: "
                    f"{what}: expected {expected}, got {got}; rebuild: {sidecar.rebuild_command}"
                )
