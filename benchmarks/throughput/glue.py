"""What two ways to spare work around the network would save, in CPU time of one thread.

    python -m benchmarks.throughput.glue --labels PACKS/*/val.tsv

The best class of every time step by NumPy, as the runtime does it, and inside the network by
onnxruntime; JPEG files of tall lines decoded whole, and at a half, a quarter or an eighth.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from benchmarks.measuring.command import command_parser
from benchmarks.measuring.lines import find_lines
from runtime.images.formats import JPEG_SIGNATURE
from runtime.recognition.ctc import best_path

_CLASSES, _STEPS = (219, 18_710), (20, 40, 80)
_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_ROUNDS = 9


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = command_parser("benchmarks.throughput.glue", __doc__)
    parser.add_argument("--labels", type=Path, nargs="+", required=True, help="of JPEG lines")
    parser.add_argument("--heights", type=int, nargs="+", default=[32, 48], help="of networks, px")
    for row in rows(parser.parse_args(arguments)):
        print(row, flush=True)
    return 0


def rows(options: argparse.Namespace) -> Iterator[str]:
    """Yield what was measured."""
    for num_classes in _CLASSES:
        for num_steps in _STEPS:
            told = _best_class(num_steps, num_classes)
            yield f"{num_steps} steps of {num_classes} classes: {told}"
    files = [
        np.fromfile(line.path, np.uint8)
        for labels in options.labels
        for line in find_lines(labels, sys.maxsize)
    ]
    jpegs = [data for data in files if data[: len(JPEG_SIGNATURE)].tobytes() == JPEG_SIGNATURE]
    for height in options.heights:
        yield f"{len(jpegs)} JPEG lines for {height} px: {_decoding(jpegs, height)}"


def _best_class(num_steps: int, num_classes: int) -> str:
    """Time the choice of classes alone, on the same probabilities."""
    scores = np.random.default_rng(0).random((1, num_steps, num_classes), dtype=np.float32)
    by_argmax = _session("ArgMax", "ReduceMax")
    by_softmax = _session("Softmax")
    times = {
        "NumPy": _least_ms(lambda: best_path(scores)),
        "onnxruntime's ArgMax and ReduceMax": _least_ms(lambda: by_argmax.run(None, {"x": scores})),
        "its softmax before": _least_ms(lambda: by_softmax.run(None, {"x": scores})),
    }
    return ", ".join(f"{name} {taken:.3f} ms" for name, taken in times.items())


def _session(*operators: str) -> onnxruntime.InferenceSession:
    """Open a network of operators over the last axis of x, [1, T, K]."""
    attributes: dict[str, dict[str, Any]] = {
        "ArgMax": {"axis": -1, "keepdims": 0},
        "ReduceMax": {"axes": [-1], "keepdims": 0},
        "Softmax": {"axis": -1},
    }
    types = {"ArgMax": TensorProto.INT64}
    graph = helper.make_graph(
        [helper.make_node(name, ["x"], [name], **attributes[name]) for name in operators],
        "choice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "T", "K"])],
        [
            helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None)
            for name in operators
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )


def _decoding(jpegs: Sequence[NDArray[np.uint8]], height: int) -> str:
    """Time decoding whole, and reduced where the line stays at least as high as the network's."""
    whole_ms = saved_ms = 0.0
    num_tall = 0
    for data in jpegs:
        taken = _decoding_ms(data, cv2.IMREAD_COLOR)
        whole_ms += taken
        factor = max((by for by in _REDUCED if by * height <= _height_of(data)), default=None)
        if factor is not None:
            num_tall += 1
            saved_ms += taken - _decoding_ms(data, _REDUCED[factor])
    return (
        f"{num_tall} at least twice as high; decoding takes {whole_ms / len(jpegs):.4f} ms a line, "
        f"less {saved_ms / len(jpegs):.4f} ms with reduced ones"
    )


def _decoding_ms(data: NDArray[np.uint8], flags: int) -> float:
    return _least_ms(lambda: cv2.imdecode(data, flags), 3)


def _height_of(data: NDArray[np.uint8]) -> int:
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return 0 if image is None else image.shape[0]


def _least_ms(work: Callable[[], object], rounds: int = _ROUNDS) -> float:
    """Return the least CPU time of some runs: what disturbs only adds."""
    times = []
    for _ in range(rounds):
        before = time.thread_time()
        work()
        times.append(time.thread_time() - before)
    return 1000 * min(times)


if __name__ == "__main__":
    sys.exit(main())
