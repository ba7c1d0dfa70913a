"""One stream of a TensorRT engine with its contexts, buffers and CUDA graphs.

A batch goes one way: `prepare`, fill, `upload`, `compute`, `download`, `synchronize`, `outputs`.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from runtime.engines.cuda.buffers import TwinBuffer, aligned
from runtime.engines.sidecar import CLASSES, CONFIDENCES, CONTENT_WIDTHS, PIXELS
from runtime.engines.tensorrt.context import BoundContext, Shape
from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.engines.tensorrt.graphs import GraphCache
from runtime.errors import EngineError

MAX_GRAPHS = 32
"""CUDA graphs that a lane keeps, one for each shape."""


@dataclass(frozen=True)
class _Batch:
    """A shape and where its tensors lie in the two buffers, in bytes; content widths at 0."""

    shape: Shape
    time_steps: int
    pixels: int
    inputs_nbytes: int
    confidences: int
    outputs_nbytes: int


class Lane:
    """Runs one batch at a time. One thread at a time uses it.

    Args:
        engine: open; shared with other lanes.
        use_graphs: whether shapes that come again are captured into CUDA graphs.
        max_graphs: how many of them are kept.

    Raises:
        EngineError: if the GPU is short of memory; nothing is held then.
    """

    def __init__(
        self, engine: TensorRtEngine, use_graphs: bool = True, max_graphs: int = MAX_GRAPHS
    ) -> None:
        self._engine, self._cuda = engine, engine.cuda
        self._most_lines = max(profile.max[0] for profile in engine.sidecar.profiles)
        self._time_steps: dict[int, int] = {}
        self._batch: _Batch | None = None
        self._is_busy = False
        self._use_graphs = use_graphs
        self._cuda.select_device(engine.device_id)
        with ExitStack() as stack:
            engine.acquire()
            stack.callback(engine.release)
            self.stream = self._cuda.create_stream()
            stack.callback(self._cuda.destroy_stream, self.stream)
            nbytes = aligned(max(engine.scratch_nbytes, 1))
            scratch = self._cuda.malloc(nbytes)
            stack.callback(self._cuda.free, scratch)
            self._inputs, self._outputs = TwinBuffer(self._cuda), TwinBuffer(self._cuda)
            stack.callback(self._inputs.close)
            stack.callback(self._outputs.close)

            def new_context() -> BoundContext:
                return BoundContext(engine, self.stream, scratch, nbytes, use_graphs)

            self._contexts = [new_context()]
            stack.callback(self._contexts.clear)
            limit = max_graphs if use_graphs else 0
            self._graphs = GraphCache(engine, self.stream, new_context, limit)
            stack.callback(self._graphs.close)
            stack.callback(self.synchronize)
            self._held = stack.pop_all()

    @property
    def num_graphs(self) -> int:
        """CUDA graphs held, besides those that a library captures by itself."""
        return len(self._graphs)

    @property
    def has_graphs(self) -> bool:
        """Whether CUDA graphs are replayed, as far as can be told."""
        return self.num_graphs > 0 or (self._use_graphs and self._engine.captures_by_itself)

    def prepare(
        self, profile: int, batch: int, width_px: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Make ready for a batch, after the last one's outputs were looked at.

        Args:
            profile: number of the optimisation profile that holds it.
            batch: N.
            width_px: W.

        Returns:
            views to fill: pixels uint8 [N, H, W, C], where anything may stand right of a line's
            content, and content widths int32 [N].

        Raises:
            EngineError: if the lane is closed, the GPU is short of memory, or TensorRT refuses.
        """
        if not self._contexts:
            raise EngineError(f"{self._engine.path}: the session is closed; open the model again")
        self._cuda.select_device(self._engine.device_id)
        if self._is_busy:
            self.synchronize()  # the last batch was broken off by an error
        spec = self._engine.spec
        shape = Shape(profile, (batch, spec.height, width_px, spec.channels))
        if self._batch is None or self._batch.shape != shape:
            self._batch = None
            self._batch = self._laid_out(shape)
        one = self._batch
        return (
            cast(NDArray[np.uint8], self._inputs.view(one.pixels, shape.pixels, np.uint8)),
            cast(NDArray[np.int32], self._inputs.view(0, (batch,), np.int32)),
        )

    def upload(self) -> None:
        """Start copying the inputs to the GPU."""
        self._is_busy = True
        self._inputs.upload(self._prepared.inputs_nbytes, self.stream)

    def compute(self) -> None:
        """Start the run, from a CUDA graph where there is one.

        The time a shape is captured this waits for the run.

        Raises:
            EngineError: if TensorRT refuses.
        """
        one = self._prepared
        self._is_busy = True
        executable = self._graphs.find(one.shape)
        if executable is not None:
            self._cuda.launch_graph(executable, self.stream)
            return
        addresses = {
            CONTENT_WIDTHS: self._inputs.device,
            PIXELS: self._inputs.device + one.pixels,
            CLASSES: self._outputs.device,
            CONFIDENCES: self._outputs.device + one.confidences,
        }
        if self._graphs.is_due(one.shape):
            self._graphs.run_and_capture(one.shape, addresses)
            return
        context = self._contexts[0]
        context.set_shape(one.shape)
        context.set_addresses(addresses)
        context.enqueue()

    def download(self) -> None:
        """Start copying the outputs from the GPU."""
        self._is_busy = True
        self._outputs.download(self._prepared.outputs_nbytes, self.stream)

    def synchronize(self) -> None:
        """Wait for all that was started."""
        self._cuda.synchronize_stream(self.stream)
        self._is_busy = False

    def outputs(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """What was downloaded: views of int32 [N, T] and float32 [N, T], until the next batch."""
        one = self._prepared
        shape = (one.shape.batch, one.time_steps)
        return (
            cast(NDArray[np.int32], self._outputs.view(0, shape, np.int32)),
            cast(NDArray[np.float32], self._outputs.view(one.confidences, shape, np.float32)),
        )

    def close(self) -> None:
        """Wait for what is under way and give everything back.

        Raises:
            EngineError: if CUDA fails at it; the rest is given back all the same.
        """
        self._batch = None
        self._cuda.select_device(self._engine.device_id)
        self._held.close()

    @property
    def _prepared(self) -> _Batch:
        if self._batch is None:
            raise EngineError(f"{self._engine.path}: nothing was prepared to be run")
        return self._batch

    def _laid_out(self, shape: Shape) -> _Batch:
        width_px = shape.pixels[2]
        if width_px not in self._time_steps:
            self._time_steps[width_px] = self._contexts[0].set_shape(shape)
        steps = self._time_steps[width_px]
        # Room for every N in front of the pixels, so that these keep their address.
        pixels = aligned(4 * self._most_lines)
        inputs_nbytes = pixels + int(np.prod(shape.pixels))
        confidences = aligned(4 * shape.batch * steps)
        outputs_nbytes = confidences + 4 * shape.batch * steps
        if inputs_nbytes > self._inputs.nbytes or outputs_nbytes > self._outputs.nbytes:
            self._graphs.clear()  # they hold the addresses that are given up now
            self._inputs.reserve(inputs_nbytes)
            self._outputs.reserve(outputs_nbytes)
        return _Batch(shape, steps, pixels, inputs_nbytes, confidences, outputs_nbytes)
