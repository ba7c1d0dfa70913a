"""ONNX -> TensorRT plan and its sidecar, one path for TensorRT 10.12+, 11.x and TensorRT-RTX.

The precision stands in the ONNX graph, the network is strongly typed, and nothing is touched that
one of the versions lacks. The library itself works in a process of its own (`child`), so that its
crash is an error message here.
"""

from export.engine.chain import EngineRequest, build_engine
from export.engine.options import BuildOptions

__all__ = ["BuildOptions", "EngineRequest", "build_engine"]
