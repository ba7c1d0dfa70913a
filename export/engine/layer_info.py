"""What the library's inspector tells of a plan's layers."""

from __future__ import annotations

from runtime.engines.tensorrt.library import TensorRtLibrary, TensorRtLog
from runtime.errors import EngineError


def layer_information(library: TensorRtLibrary, log: TensorRtLog, plan: bytes) -> str:
    """Layers of a plan as JSON; needs the GPU that it was built for.

    Raises:
        EngineError: with the library's own words.
    """
    trt = library.module
    mark = log.mark()
    engine = trt.Runtime(log.logger).deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineError(f"--exportLayerInfo: the plan cannot be opened: {log.since(mark)}")
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
