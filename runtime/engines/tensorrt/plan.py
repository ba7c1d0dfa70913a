"""A TensorRT plan, checked and deserialised; lanes share it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

from runtime.engines.cuda import Cuda, open_cuda
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.tensorrt.bindings import check_bindings
from runtime.engines.tensorrt.library import (
    LEAN,
    TensorRtLibrary,
    load_tensorrt,
    log_of,
    made,
    require_driver,
)
from runtime.engines.tensorrt.rtx import RtxSettings, diagnosed
from runtime.errors import ArtifactError, EngineError
from runtime.fields import in_one_line
from runtime.files import sha256_of

logger = logging.getLogger(__name__)


class TensorRtPlan:
    """A deserialised plan on one GPU. Any thread may make contexts of it.

    Args:
        path: the plan; its sidecar stands beside it.
        device_id: number of the GPU.
        cuda: what to reach the GPU with; what is installed when None.
        library: what to open the plan with; what the sidecar names when None.
        is_on_trial: whether it is opened to be compared, so that it is not said that it was not.

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
        is_on_trial: bool = False,
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
        self._engine: Any = self._opened(self._checked_plan())
        check_bindings(self.path, self.sidecar, self._engine, library.module)
        self._rtx = (
            RtxSettings(self._engine, library.module, Path(f"{self.path}.kernels"))
            if self.captures_by_itself
            else None
        )
        self._warn(is_on_trial)

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
            settings = self.library.module.ExecutionContextAllocationStrategy.USER_MANAGED
            if self._rtx is not None:
                settings = self._rtx.with_graphs(use_graphs)
            mark = self.log.mark()
            context = self._engine.create_execution_context(settings)
        if context is None:
            raise self.failure("no execution context could be made", mark)
        return context

    def failure(self, what: str, mark: int) -> EngineError:
        """Return an error that carries what TensorRT has said since a mark of the log."""
        said = self.log.since(mark) or "nothing"
        return EngineError(f"{self.path}: {what}; TensorRT said: {said}")

    def close(self) -> None:
        """Let go of the engine, after the lanes, whose contexts need what is let go."""
        with self._lock:
            if self._rtx is not None:
                self._rtx.close()
            self._engine = self._rtx = None

    def _warn(self, is_on_trial: bool) -> None:
        """Say what is doubtful of a plan that can be opened."""
        sidecar = self.sidecar
        is_for_this_kind = sidecar.hardware_compatibility == "none" and not (
            sidecar.target_compute_capabilities
        )
        if is_for_this_kind and sidecar.gpu_name not in (None, self.gpu.name):
            logger.warning(
                "%s was built and timed on %s and runs on %s: it may be slow or fail; build it "
                "here, or for both with --hardwareCompatibilityLevel=sameComputeCapability",
                *(self.path, in_one_line(sidecar.gpu_name or ""), self.gpu.name),
            )
        if "engine" not in sidecar.parity and not is_on_trial:
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
                f"{self.sidecar.remedy}"
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
        trt, mark = self.library.module, self.log.mark()
        runtime = made(self.log, "runtime", lambda: trt.Runtime(self.log.logger))
        if self.sidecar.version_compatible and self.library.name != "tensorrt_lean":
            # Such a plan brings the code that runs it; its hash is the one that was built.
            runtime.engine_host_code_allowed = True
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            told = filter(None, (diagnosed(runtime, trt, plan), self.log.since(mark)))
            said = ": ".join(told) or "nothing"
            raise EngineError(
                f"{self.path}: {self.library.name} {self.library.version} cannot open the plan, "
                f"it said: {said}; rebuild: {self.sidecar.remedy}"
            )
        return engine  # which keeps the runtime alive


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
