"""One stream of a TensorRT plan with its contexts, buffers and CUDA graphs.

A batch goes one way: `prepare`, fill, `upload`, `compute`, `download`, `synchronize`, `outputs`.
Several of one call are staged together and waited for once: `stage`, then for each `select`, fill,
`upload`, `compute`, `download`; then `synchronize`, and the `outputs` of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from runtime.engines.cuda.buffers import aligned
from runtime.engines.tensorrt.context import BoundContext, Shape
from runtime.engines.tensorrt.graphs import GraphCache
from runtime.engines.tensorrt.layout import Layout
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.engines.tensorrt.profiles import profile_of
from runtime.engines.tensorrt.staging import Staging, num_that_fit
from runtime.engines.tensors import Array, Shapes
from runtime.errors import EngineError

MAX_GRAPHS = 16
"""CUDA graphs that a lane keeps, one for each shape, each with a context of its own."""
_MOST_SHAPES = 2
"""Different shapes that are under way at once, each with a context that is left alone meanwhile:
a call divides into batches of one shape, and what is left over."""


class Lane:
    """Runs the batches of one call at a time. One thread at a time uses it.

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
        self._number: int | None = None
        self._is_busy = self._is_closed = False
        self._use_graphs = use_graphs
        self._cuda.select_device(plan.device_id)
        with ExitStack() as stack:
            self.stream = self._cuda.create_stream()
            stack.callback(self._cuda.destroy_stream, self.stream)
            self._scratch, self._scratch_nbytes = 0, 0
            stack.callback(self._free_scratch)
            self._staging = Staging(self._cuda, plan.sidecar, self.stream)
            stack.callback(self._staging.close)

            self._contexts: list[BoundContext] = []
            stack.callback(self._contexts.clear)
            self._bound: dict[Shape, BoundContext] = {}
            stack.callback(self._bound.clear)
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
        """Make ready for one batch; see `stage` and `select`."""
        self.stage([shapes])
        return self.select(0)

    def stage(self, batches: Sequence[Shapes]) -> int:
        """Make ready for batches, after the last ones' outputs were looked at.

        All that changes a context, or memory, is done here, where nothing is under way: what
        follows only copies, runs and replays.

        Args:
            batches: of each the shapes of every input, N first.

        Returns:
            how many of them, from the first on, may be under way at once; at least one.

        Raises:
            EngineError: if the lane is closed, no profile holds the shapes, the GPU is short of
                memory, or TensorRT refuses.
        """
        if self._is_closed:
            raise EngineError(f"{self._plan.path}: the session is closed; open the model again")
        self._staging.drop()
        self._number = None
        profiles, path = self._plan.sidecar.profiles, str(self._plan.path)
        shapes = [
            self._staging.shape(profile_of(batch, profiles, path), batch)
            for batch in _of_few_shapes(batches)
        ]
        self._cuda.select_device(self._plan.device_id)
        if self._is_busy:
            self.synchronize()  # the last batches were broken off by an error
        self._reserve_scratch(max(self._plan.scratch_nbytes(shape.profile) for shape in shapes))
        layouts = [self._staging.known(shape) or self._laid_out(shape) for shape in shapes]
        layouts = layouts[: num_that_fit(layouts)]
        if self._staging.needs_more(layouts):
            self._graphs.clear()  # they hold the addresses that are given up now
        try:
            self._staging.take(layouts)
        except EngineError:
            self._graphs.clear()  # all room was given up
            raise
        self._bind({layout.shape: layout for layout in layouts})
        return len(layouts)

    def select(self, number: int) -> dict[str, Array]:
        """Turn to one of the batches; return views to fill, by name."""
        self._number = number
        return self._staging.inputs(number)

    def upload(self) -> None:
        """Start copying the inputs to the GPU."""
        number = self._selected
        self._is_busy = True
        self._staging.upload(number)

    def compute(self) -> None:
        """Start the run, from a CUDA graph where there is one.

        The time a shape is captured this waits for the run, and for all before it.

        Raises:
            EngineError: if TensorRT refuses.
        """
        layout = self._staging.layout(self._selected)
        self._is_busy = True
        executable = self._graphs.find(layout.shape)
        if executable is not None:
            self._cuda.launch_graph(executable, self.stream)
            return
        if self._graphs.is_due(layout.shape):
            # The graph that gives way, and its context, may be under way.
            self.synchronize()
            self._is_busy = True
            executable = self._graphs.capture(layout.shape, self._staging.addresses(layout))
            if executable is not None:
                self._check_replay(executable)
            return
        self._context_of(layout).enqueue()

    def download(self) -> None:
        """Start copying the outputs from the GPU."""
        number = self._selected
        self._is_busy = True
        self._staging.download(number)

    def synchronize(self) -> None:
        """Wait for all that was started."""
        self._cuda.synchronize_stream(self.stream)
        self._is_busy = False

    def outputs(self, number: int | None = None) -> dict[str, Array]:
        """Return what was downloaded: views by name, until batches are staged again.

        Args:
            number: of the batch; the selected one when None.
        """
        return self._staging.outputs(self._selected if number is None else number)

    def close(self) -> None:
        """Wait for what is under way and give everything back.

        Raises:
            EngineError: if CUDA fails at it; the rest is given back all the same.
        """
        self._number, self._is_closed = None, True
        self._cuda.select_device(self._plan.device_id)
        self._held.close()

    @property
    def _selected(self) -> int:
        if self._number is None:
            raise EngineError(f"{self._plan.path}: nothing was prepared to be run")
        return self._number

    def _bind(self, layouts: dict[Shape, Layout]) -> None:
        """Give every shape without a graph a context of its own, told shapes and addresses."""
        wanted = [layout for shape, layout in layouts.items() if shape not in self._graphs]
        while len(self._contexts) < len(wanted):
            self._contexts.append(self._new_context())
        free = {context.shape: context for context in self._contexts}
        self._bound.clear()
        for layout in wanted:
            if layout.shape in free:
                self._bound[layout.shape] = free.pop(layout.shape)
        rest = [context for context in self._contexts if context not in self._bound.values()]
        for layout in wanted:
            context = self._bound.get(layout.shape) or rest.pop(0)
            self._bound[layout.shape] = self._told(context, layout)

    def _context_of(self, layout: Layout) -> BoundContext:
        """Return the context that a shape was bound to."""
        context = self._bound.get(layout.shape)
        if context is None:
            # It had a graph when it was staged, which was given up meanwhile.
            self.synchronize()
            self._is_busy = True
            self._bound.clear()
            context = self._bound[layout.shape] = self._told(self._contexts[0], layout)
        return context

    def _told(self, context: BoundContext, layout: Layout) -> BoundContext:
        context.set_shape(layout.shape)
        context.set_addresses(self._staging.addresses(layout))
        return context

    def _check_replay(self, executable: int) -> None:
        """Hold the first replay of a graph against the plain run that its outputs come from.

        A capture that misses work done by the host succeeds all the same.
        """
        self.download()
        self.synchronize()
        layout = self._staging.layout(self._selected)
        plain = {name: view.tobytes() for name, view in self.outputs().items()}
        self._is_busy = True
        try:
            self._cuda.launch_graph(executable, self.stream)
        except EngineError as error:
            # The first launch is what brings a graph to the GPU; the plain run's outputs are there.
            self._graphs.drop(layout.shape, error)
            return
        self.download()
        self.synchronize()
        if plain != {name: view.tobytes() for name, view in self.outputs().items()}:
            self._graphs.refuse("the first replay gave other bits than the run it was made from")
            self._is_busy = True
            self._context_of(layout).enqueue()

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
        self._bound.clear()
        self._contexts.clear()
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
        """Ask a context for the outputs' shapes."""
        return self._staging.lay_out(shape, self._contexts[0].set_shape(shape))


def _of_few_shapes(batches: Sequence[Shapes]) -> list[Shapes]:
    """Return batches from the first on, up to one of a shape too many."""
    taken: list[Shapes] = []
    different: list[Shapes] = []
    for batch in batches:
        if batch not in different:
            different.append(batch)
        if len(different) > _MOST_SHAPES:
            break
        taken.append(batch)
    return taken
