"""One stream of a TensorRT plan with its contexts, buffers and CUDA graphs.

A batch goes one way: `prepare`, fill, `upload`, `compute`, `download`, `synchronize`, `outputs`.
"""

from __future__ import annotations

from contextlib import ExitStack
from math import prod

import numpy as np

from runtime.engines.cuda.buffers import TwinBuffer, aligned
from runtime.engines.tensorrt.context import BoundContext, Shape
from runtime.engines.tensorrt.graphs import GraphCache
from runtime.engines.tensorrt.layout import Layout, Place
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.engines.tensorrt.profiles import profile_of
from runtime.engines.tensors import Array, Shapes, Sizes
from runtime.errors import EngineError

MAX_GRAPHS = 16
"""CUDA graphs that a lane keeps, one for each shape, each with a context of its own."""
_MOST_LAYOUTS = 4096
"""Shapes whose layout is remembered; beyond them all are worked out anew."""


class Lane:
    """Runs one batch at a time. One thread at a time uses it.

    Args:
        plan: open; shared with other lanes.
        use_graphs: whether shapes that come again are captured into CUDA graphs.
        max_graphs: how many of them are kept.

    Raises:
        EngineError: if the GPU is short of memory; nothing is held then.
    """

    def __init__(
        self, plan: TensorRtPlan, use_graphs: bool = True, max_graphs: int = MAX_GRAPHS
    ) -> None:
        self._plan, self._cuda = plan, plan.cuda
        self._layouts: dict[Shape, Layout] = {}
        self._layout: Layout | None = None
        self._is_busy = self._is_closed = False
        self._use_graphs = use_graphs
        # The largest input lies last, behind room for every size of the others, so that addresses
        # stay whatever the shape.
        rooms = {
            binding.name: aligned(
                np.dtype(binding.dtype).itemsize
                * max(prod(profile[binding.name].max) for profile in plan.sidecar.profiles)
            )
            for binding in plan.sidecar.of_mode("input")
        }
        self._rooms = dict(sorted(rooms.items(), key=lambda room: room[1]))
        self._dtypes = {binding.name: np.dtype(binding.dtype) for binding in plan.sidecar.bindings}
        self._cuda.select_device(plan.device_id)
        with ExitStack() as stack:
            self.stream = self._cuda.create_stream()
            stack.callback(self._cuda.destroy_stream, self.stream)
            self._scratch, self._scratch_nbytes = 0, 0
            stack.callback(self._free_scratch)
            self._inputs, self._outputs = TwinBuffer(self._cuda), TwinBuffer(self._cuda)
            stack.callback(self._inputs.close)
            stack.callback(self._outputs.close)

            self._contexts: list[BoundContext] = []
            stack.callback(self._contexts.clear)
            limit = max_graphs if use_graphs else 0
            self._graphs = GraphCache(plan, self.stream, self._new_context, limit)
            # The smallest profile's, so that a GPU without any room is met here.
            self._reserve_scratch(min(map(plan.scratch_nbytes, range(len(plan.sidecar.profiles)))))
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
        return self.num_graphs > 0 or (
            self._use_graphs and any(context.captures_by_itself for context in self._contexts)
        )

    def prepare(self, shapes: Shapes) -> dict[str, Array]:
        """Make ready for a batch, after the last one's outputs were looked at.

        Args:
            shapes: of every input, N first.

        Returns:
            views to fill, by name.

        Raises:
            EngineError: if the lane is closed, no profile holds the shapes, the GPU is short of
                memory, or TensorRT refuses.
        """
        if self._is_closed:
            raise EngineError(f"{self._plan.path}: the session is closed; open the model again")
        profile = profile_of(shapes, self._plan.sidecar.profiles, str(self._plan.path))
        self._cuda.select_device(self._plan.device_id)
        if self._is_busy:
            self.synchronize()  # the last batch was broken off by an error
        self._reserve_scratch(self._plan.scratch_nbytes(profile))
        shape = Shape(profile, tuple((name, shapes[name]) for name in self._rooms))
        if self._layout is None or self._layout.shape != shape:
            self._layout = None
            self._layout = self._laid_out(shape)
        return {
            name: self._inputs.view(place.offset, place.sizes, place.dtype.type)
            for name, place in self._layout.inputs.items()
        }

    def upload(self) -> None:
        """Start copying the inputs to the GPU."""
        self._is_busy = True
        self._inputs.upload(self._prepared.num_input_bytes, self.stream)

    def compute(self) -> None:
        """Start the run, from a CUDA graph where there is one.

        The time a shape is captured this waits for the run.

        Raises:
            EngineError: if TensorRT refuses.
        """
        layout = self._prepared
        self._is_busy = True
        executable = self._graphs.find(layout.shape)
        if executable is not None:
            self._cuda.launch_graph(executable, self.stream)
            return
        addresses = self._addresses(layout)
        if self._graphs.is_due(layout.shape):
            executable = self._graphs.capture(layout.shape, addresses)
            if executable is not None:
                self._check_replay(executable)
            return
        context = self._contexts[0]
        context.set_shape(layout.shape)
        context.set_addresses(addresses)
        context.enqueue()

    def download(self) -> None:
        """Start copying the outputs from the GPU."""
        self._is_busy = True
        self._outputs.download(self._prepared.num_output_bytes, self.stream)

    def synchronize(self) -> None:
        """Wait for all that was started."""
        self._cuda.synchronize_stream(self.stream)
        self._is_busy = False

    def outputs(self) -> dict[str, Array]:
        """Return what was downloaded: views by name, until the next batch."""
        return {
            name: self._outputs.view(place.offset, place.sizes, place.dtype.type)
            for name, place in self._prepared.outputs.items()
        }

    def close(self) -> None:
        """Wait for what is under way and give everything back.

        Raises:
            EngineError: if CUDA fails at it; the rest is given back all the same.
        """
        self._layout, self._is_closed = None, True
        self._cuda.select_device(self._plan.device_id)
        self._held.close()

    def _addresses(self, layout: Layout) -> dict[str, int]:
        buffers = ((self._inputs, layout.inputs), (self._outputs, layout.outputs))
        return {
            name: buffer.device + place.offset
            for buffer, places in buffers
            for name, place in places.items()
        }

    @property
    def _prepared(self) -> Layout:
        if self._layout is None:
            raise EngineError(f"{self._plan.path}: nothing was prepared to be run")
        return self._layout

    def _check_replay(self, executable: int) -> None:
        """Hold the first replay of a graph against the plain run that its outputs come from.

        A capture that misses work done by the host succeeds all the same.
        """
        self.download()
        self.synchronize()
        plain = {name: view.tobytes() for name, view in self.outputs().items()}
        try:
            self._cuda.launch_graph(executable, self.stream)
        except EngineError as error:
            # The first launch is what brings a graph to the GPU; the plain run's outputs are there.
            self._graphs.drop(self._prepared.shape, error)
            return
        self.download()
        self.synchronize()
        if plain != {name: view.tobytes() for name, view in self.outputs().items()}:
            self._graphs.refuse("the first replay gave other bits than the run it was made from")
            context, layout = self._contexts[0], self._prepared
            context.set_shape(layout.shape)
            context.set_addresses(self._addresses(layout))
            context.enqueue()

    def _new_context(self) -> BoundContext:
        return BoundContext(
            self._plan, self.stream, self._scratch, self._scratch_nbytes, self._use_graphs
        )

    def _reserve_scratch(self, nbytes: int) -> None:
        """Make room to work in; when it grows, contexts and graphs are made anew."""
        if self._contexts and nbytes <= self._scratch_nbytes:
            return
        self.synchronize()
        self._graphs.close()
        self._contexts.clear()
        self._layout = None
        self._free_scratch()
        size = aligned(max(nbytes, 1))
        self._scratch = self._cuda.malloc(size)
        self._scratch_nbytes = size
        self._contexts.append(self._new_context())

    def _free_scratch(self) -> None:
        scratch, self._scratch, self._scratch_nbytes = self._scratch, 0, 0
        if scratch:
            self._cuda.free(scratch)

    def _laid_out(self, shape: Shape) -> Layout:
        """Return where a shape's tensors lie, and make room for them."""
        layout = self._layouts.get(shape)
        if layout is None:
            outputs = self._contexts[0].set_shape(shape)
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[shape] = Layout(
                shape, self._places(dict(shape.inputs), self._rooms), self._places(outputs, {})
            )
        if (
            layout.num_input_bytes > self._inputs.nbytes
            or layout.num_output_bytes > self._outputs.nbytes
        ):
            self._graphs.clear()  # they hold the addresses that are given up now
            self._inputs.reserve(layout.num_input_bytes)
            self._outputs.reserve(layout.num_output_bytes)
        return layout

    def _places(self, shapes: dict[str, Sizes], rooms: dict[str, int]) -> dict[str, Place]:
        """Lay tensors one behind the other, each in its room or just as large as it is."""
        places, offset = {}, 0
        for name in rooms or shapes:
            places[name] = Place(offset, shapes[name], self._dtypes[name])
            offset += rooms.get(name) or aligned(places[name].end - offset)
        return places
