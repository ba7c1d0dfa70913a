"""A TensorRT plan, checked and opened; sessions share it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from runtime.engines.cuda import Cuda, open_cuda
from runtime.engines.sidecar import (
    CLASSES,
    CONFIDENCES,
    CONTENT_WIDTHS,
    INPUTS,
    OUTPUTS,
    PIXELS,
    EngineSidecar,
    sidecar_path,
)
from runtime.engines.tensorrt.library import (
    TensorRtLibrary,
    TensorRtLog,
    load_tensorrt,
    require_driver,
)
from runtime.engines.tensorrt.profiles import limited_spec
from runtime.errors import ArtifactError, EngineError
from runtime.files import sha256_of
from runtime.recognition.model.spec_of_model import with_dictionary
from runtime.recognition.spec import RecognizerSpec

logger = logging.getLogger(__name__)

_DTYPES = {PIXELS: "UINT8", CONTENT_WIDTHS: "INT32", CLASSES: "INT32", CONFIDENCES: "FLOAT"}


class TensorRtEngine:
    """A deserialised engine on one GPU. Any thread may make contexts of it.

    Args:
        path: the plan; its sidecar stands beside it.
        dictionary: characters instead of the spec's own, of which there must be as many.
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
        dictionary: str | Path | None = None,
        device_id: int = 0,
        cuda: Cuda | None = None,
        library: TensorRtLibrary | None = None,
    ) -> None:
        self.path, self.device_id = Path(path), device_id
        self.sidecar = EngineSidecar.read(path)
        self.spec = self._limited_spec()
        if dictionary is not None:
            classes = self.spec.num_classes
            self.spec = with_dictionary(self.spec, dictionary, classes, str(path))
        if library is None:
            library = load_tensorrt(self.sidecar.library.replace("_", "-"))
        self.library = library
        self.cuda = open_cuda() if cuda is None else cuda
        self.gpu = require_driver(self.cuda, device_id)
        self.log = TensorRtLog(library.module)
        self.captures_by_itself = hasattr(library.module, "CudaGraphStrategy")
        self.capture_refused = False
        self._lock = threading.Lock()
        self._users = 0
        self._kernel_cache: Any = None
        self._engine: Any = self._opened(self._checked_plan())
        self._check_bindings()
        self.scratch_nbytes = int(self._engine.device_memory_size_v2)

    def create_context(self, use_graphs: bool) -> Any:
        """An execution context that is given its device memory by the caller.

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
        """An error that carries what TensorRT has said since a mark of the log."""
        said = self.log.since(mark) or "nothing"
        return EngineError(f"{self.path}: {what}; TensorRT said: {said}")

    def acquire(self) -> None:
        """Count a session that uses this engine."""
        with self._lock:
            if self._engine is None:
                raise EngineError(f"{self.path}: the engine is closed; open the model again")
            self._users += 1

    def release(self) -> None:
        """A session has gone; the last one takes the engine along."""
        with self._lock:
            self._users -= 1
            if self._users > 0:
                return
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

    def _limited_spec(self) -> RecognizerSpec:
        return limited_spec(self.sidecar.spec, self.sidecar.profiles, str(self.path))

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
        """The plan is what its sidecar says it is."""
        engine, trt = self._engine, self.library.module
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        modes = {name: engine.get_tensor_mode(name) for name in names}
        profiles = []
        if PIXELS in names:
            profiles = [
                tuple(tuple(shape) for shape in engine.get_tensor_profile_shape(PIXELS, index))
                for index in range(engine.num_optimization_profiles)
            ]
        expected_profiles = [
            tuple((n, h, w, c) for n, c, h, w in (one.min, one.opt, one.max))
            for one in self.sidecar.profiles
        ]
        for what, expected, got in (
            ("name", self.sidecar.engine_name, engine.name),
            ("inputs", sorted(INPUTS), _of_mode(modes, trt.TensorIOMode.INPUT)),
            ("outputs", sorted(OUTPUTS), _of_mode(modes, trt.TensorIOMode.OUTPUT)),
            (
                "types",
                _DTYPES,
                {name: engine.get_tensor_dtype(name).name for name in names if name in _DTYPES},
            ),
            ("profiles", expected_profiles, profiles),
        ):
            if got != expected:
                raise ArtifactError(
                    f"{self.path}: the plan is not what {sidecar_path(self.path).name} says: "
                    f"{what}: expected {expected}, got {got}; rebuild: "
                    f"{self.sidecar.rebuild_command}"
                )


def _of_mode(modes: dict[str, Any], mode: Any) -> list[str]:
    return sorted(name for name, one in modes.items() if one == mode)
