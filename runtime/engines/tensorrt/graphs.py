"""CUDA graphs of one lane, one for each shape.

A graph holds on to the context it was captured from: NVIDIA's guide wants one context for each
graph, all of them sharing their device memory. TensorRT-RTX captures by itself instead.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from runtime.engines.tensorrt.context import BoundContext, Shape
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.errors import EngineError

logger = logging.getLogger(__name__)

_CAPTURED_AT = 2
"""A shape is captured when it comes for this time: many tails of batches come once only."""


class GraphCache:
    """Captures shapes that come again, and keeps the graphs used last.

    Args:
        plan: which remembers, for all lanes, that a capture was refused.
        stream: of the lane.
        new_context: makes a context of the lane.
        limit: how many graphs are kept; 0 captures nothing.
    """

    def __init__(
        self,
        plan: TensorRtPlan,
        stream: int,
        new_context: Callable[[], BoundContext],
        limit: int,
    ) -> None:
        self._plan, self._cuda, self._stream = plan, plan.cuda, stream
        self._new_context = new_context
        self._limit = limit if plan.cuda.has_graphs and not plan.captures_by_itself else 0
        self._graphs: OrderedDict[Shape, tuple[int, BoundContext]] = OrderedDict()
        self._seen: dict[Shape, int] = {}
        self._spare: list[BoundContext] = []

    def __len__(self) -> int:
        """How many graphs there are."""
        return len(self._graphs)

    def find(self, shape: Shape) -> int | None:
        """The executable graph of a shape, None if there is none."""
        if shape not in self._graphs:
            return None
        self._graphs.move_to_end(shape)
        return self._graphs[shape][0]

    def is_due(self, shape: Shape) -> bool:
        """Note that a shape has come without a graph; whether it is to be captured now."""
        if self._limit == 0 or self._plan.capture_refused:
            return False
        self._seen[shape] = self._seen.get(shape, 0) + 1
        return self._seen[shape] >= _CAPTURED_AT

    def run_and_capture(self, shape: Shape, addresses: Mapping[str, int]) -> None:
        """Run a shape once as it is, wait for it, and capture it if that is allowed.

        Args:
            shape: within its profile.
            addresses: of inputs and outputs, by name; they hold until `clear`.

        Raises:
            EngineError: if the run itself fails.
        """
        context = self._context()
        context.set_shape(shape)
        context.set_addresses(addresses)
        # Whatever TensorRT puts off until the first run is done outside the capture.
        context.enqueue()
        self._cuda.synchronize_stream(self._stream)
        try:
            executable = self._captured(context)
        except EngineError as error:
            self._plan.capture_refused = True
            self.clear()
            logger.info("%s: runs without CUDA graphs: %s", self._plan.path, str(error))
            return
        self._graphs[shape] = (executable, context)

    def clear(self) -> None:
        """Let go of all graphs, e.g. since addresses have changed; their contexts are used again.

        Nothing of theirs may be under way.
        """
        self._seen.clear()
        while self._graphs:
            _, (executable, context) = self._graphs.popitem()
            self._spare.append(context)
            self._cuda.destroy_executable(executable)

    def close(self) -> None:
        """Let go of graphs and contexts."""
        try:
            self.clear()
        finally:
            self._spare.clear()

    def _context(self) -> BoundContext:
        """A context that no graph needs; the graph unused for longest gives way."""
        if len(self._graphs) >= self._limit:
            shape, (executable, context) = self._graphs.popitem(last=False)
            self._seen.pop(shape, None)
            self._spare.append(context)
            self._cuda.destroy_executable(executable)
        return self._spare.pop() if self._spare else self._new_context()

    def _captured(self, context: BoundContext) -> int:
        mark = self._plan.log.mark()
        self._cuda.begin_capture(self._stream)
        # A capture that was begun has to be ended whatever happens, or the stream is lost.
        with ExitStack() as stack:
            stack.callback(self._end_spoilt_capture)
            is_taken = context.try_enqueue()
            stack.pop_all()
        graph = self._cuda.end_capture(self._stream)
        try:
            if not is_taken:
                raise self._plan.failure("the run could not be captured", mark)
            return self._cuda.instantiate_graph(graph)
        finally:
            self._cuda.destroy_graph(graph)

    def _end_spoilt_capture(self) -> None:
        try:
            self._cuda.destroy_graph(self._cuda.end_capture(self._stream))
        except EngineError as error:
            logger.debug("ending a spoilt capture: %s", str(error))
