"""The packages that each step needs, and the versions that are known to work together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TESTED = {
    "paddlepaddle": "3.3.1",
    "paddle2onnx": "2.1.0",
    "onnx": "1.17.0",
    "onnxslim": "0.1.98",
    "onnx-graphsurgeon": "0.6.1",
    "onnxruntime": "1.32.0",
    "openvino": "2026.4.1",
    "tensorrt-rtx": "1.7.1.116",
    "cuda-python": "13.4.4",
}
"""Known to work together, on Python 3.11."""

OPENCV = (
    *("opencv-python-headless", "opencv-python"),
    *("opencv-contrib-python-headless", "opencv-contrib-python"),
)
"""The packages that bring `cv2`; what is said of the first holds for all."""

MODULES = {
    "paddlepaddle": "paddle",
    "onnx-graphsurgeon": "onnx_graphsurgeon",
    "onnxruntime-gpu": "onnxruntime",
    **dict.fromkeys(OPENCV, "cv2"),
    "tensorrt-rtx": "tensorrt_rtx",
    "tensorrt-cu12": "tensorrt",
    "tensorrt-cu13": "tensorrt",
    "tensorrt-lean": "tensorrt_lean",
    "cuda-python": "cuda.bindings.runtime",
}
"""The module to import where it is not named as its package."""


_BUILDERS = ("tensorrt", "tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx")


@dataclass(frozen=True)
class Step:
    """One thing to do with this project.

    Args:
        does: in a few words.
        extra: what `pip install 'distilrec[extra]'` brings for it.
        needs: packages; of a tuple, one is enough.
        is_optional: whether the road from a checkpoint to text works without it.
    """

    does: str
    extra: str
    needs: tuple[str | tuple[str, ...], ...]
    is_optional: bool = False


STEPS: Mapping[str, Step] = {
    "images": Step("read images", "cpu", ("numpy", OPENCV)),
    "train": Step("train and strip", "train", ("paddlepaddle", "numpy")),
    "convert": Step(
        "convert to ONNX",
        "export",
        ("paddlepaddle", "paddle2onnx", "onnx", "onnxslim", "onnx-graphsurgeon"),
    ),
    "verify": Step("verify, and read on the CPU", "cpu", (("onnxruntime", "onnxruntime-gpu"),)),
    "openvino": Step("read on the CPU in OpenVINO too", "openvino", ("openvino",), True),
    "precision": Step("make and prove FP16", "export", ("onnx", "onnxruntime"), True),
    "build": Step(
        "build an engine",
        "build,tensorrt",
        (_BUILDERS, "onnx", "tqdm", ("onnxruntime", "onnxruntime-gpu")),
        True,
    ),
    "engine": Step(
        "read with an engine",
        "tensorrt",
        ((*_BUILDERS, "tensorrt-lean"), ("cuda-python", "pycuda")),
        True,
    ),
}
