"""A TensorRT plan, checked and deserialised; lanes share it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from runtime.engines.cuda import Cuda, open_cuda
from runtime.engines.sidecar import EngineSidecar, sidecar_path
from runtime.engines.tensorrt.library import (
    LEAN,
    TensorRtLibrary,
    load_tensorrt,
    log_of,
    require_driver,
)
from runtime.errors import ArtifactError, EngineError
from runtime.files import sha256_of, write_atomically

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
        self.library = library = library or _library_for(self.sidecar)
        self.cuda = open_cuda() if cuda is None else cuda
        self.gpu = require_driver(self.cuda, device_id)
        self.log = log_of(library.module)
        self.captures_by_itself = hasattr(library.module, "CudaGraphStrategy")
        self.capture_refused = False
        self._lock = threading.Lock()
        self._kernel_cache: Any = None
        self._num_cached_bytes = 0
        self._engine: Any = self._opened(self._checked_plan())
        self._check_bindings()
        self._warn()

    def scratch_nbytes(self, profile: int) -> int:
        """Return how much device memory a context works in, in bytes, for one profile."""
        return int(self._engine.get_device_memory_size_for_profile_v2(profile))

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
            self._keep_kernels()
            self._engine = self._kernel_cache = None

    def _context_settings(self, use_graphs: bool) -> Any:
        """Return what `create_execution_context` takes."""
        trt = self.library.module
        user_managed = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if not self.captures_by_itself:
            return user_managed
        # TensorRT-RTX compiles kernels for each shape. Left lazy, it runs others until they are
        # there, and the same line comes out in other bits after a while.
        settings = self._engine.create_runtime_config()
        settings.set_execution_context_allocation_strategy(user_managed)
        graphs = trt.CudaGraphStrategy
        settings.cuda_graph_strategy = graphs.WHOLE_GRAPH_CAPTURE if use_graphs else graphs.DISABLED
        if hasattr(trt, "DynamicShapesKernelSpecializationStrategy"):
            eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            settings.dynamic_shapes_kernel_specialization_strategy = eager
        if self._kernel_cache is None:
            self._kernel_cache = settings.create_runtime_cache()
            self._load_kernels()
        settings.set_runtime_cache(self._kernel_cache)
        return settings

    @property
    def _cache_path(self) -> Path:
        return Path(f"{self.path}.kernels")

    def _load_kernels(self) -> None:
        """Take the kernels that an earlier process compiled; the library checks that they fit."""
        try:
            data = self._cache_path.read_bytes()
        except OSError:
            return
        if self._kernel_cache.deserialize(data):
            self._num_cached_bytes = len(data)
        else:
            logger.info("%s fits another GPU or version and is made anew", self._cache_path)

    def _keep_kernels(self) -> None:
        """Keep compiled kernels beside the plan for the next process, where there are new ones."""
        if self._kernel_cache is None:
            return
        try:
            data = bytes(memoryview(self._kernel_cache.serialize()))
            if len(data) > self._num_cached_bytes:
                write_atomically(self._cache_path, data)
        except (OSError, RuntimeError, TypeError) as error:
            logger.debug("%s is not kept: %s", self._cache_path, error)

    def _warn(self) -> None:
        """Say what is doubtful of a plan that can be opened."""
        sidecar = self.sidecar
        is_for_this_kind = sidecar.hardware_compatibility == "none" and not (
            sidecar.target_compute_capabilities
        )
        if is_for_this_kind and sidecar.gpu_name not in (None, self.gpu.name):
            logger.warning(
                "%s was built and timed on %s and runs on %s: it may be slow or fail; build it "
                "here, or for both with --hardwareCompatibilityLevel=sameComputeCapability",
                *(self.path, sidecar.gpu_name, self.gpu.name),
            )
        if "engine" not in sidecar.parity:
            logger.warning(
                "%s was built without a GPU it runs on, so that what it reads was never compared; "
                "build it here, or compare it: python -m export verify MODEL.onnx %s",
                *(self.path, self.path),
            )

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
        if self.sidecar.version_compatible and self.library.name != "tensorrt_lean":
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
                "places",
                dict.fromkeys(names, "DEVICE"),
                {name: engine.get_tensor_location(name).name for name in names},
            ),
            (
                "inputs that decide shapes by their values",
                [],
                [name for name in names if engine.is_shape_inference_io(name)],
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


def _library_for(sidecar: EngineSidecar) -> TensorRtLibrary:
    """Import the library that a plan names, or one that runs its version-compatible plans.

    Raises:
        EngineError: if there is none.
    """
    if sidecar.needs_lean:
        return load_tensorrt(LEAN)
    try:
        return load_tensorrt(sidecar.library.replace("_", "-"))
    except EngineError:
        if not (sidecar.version_compatible and sidecar.library == "tensorrt"):
            raise
        try:
            return load_tensorrt(LEAN)
        except EngineError:
            pass
        raise
