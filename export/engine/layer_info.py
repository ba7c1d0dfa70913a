"""What the library's inspector tells of a plan's layers."""

from __future__ import annotations

import logging

from runtime.engines.tensorrt.library import TensorRtLibrary, TensorRtLog, made
from runtime.errors import EngineError

logger = logging.getLogger("export")


def layer_information(
    library: TensorRtLibrary, log: TensorRtLog, plan: bytes, version_compatible: bool
) -> str:
    """Return the layers of a plan as JSON; empty, with a warning, where it cannot be opened.

    Args:
        library, log: that built it.
        plan: its bytes; needs the GPU that it was built for.
        version_compatible: whether it brings the code that runs it.
    """
    trt = library.module
    mark = log.mark()
    try:
        runtime = made(log, "runtime", lambda: trt.Runtime(log.logger))
        if version_compatible:
            runtime.engine_host_code_allowed = True
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineError(f"the plan cannot be opened: {log.since(mark)}")
        inspector = made(log, "inspector", engine.create_engine_inspector)
        return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
    except EngineError as error:
        logger.warning("--exportLayerInfo: %s", error)
        return ""
