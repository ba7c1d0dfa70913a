"""CUDA graphs of one lane, one for each shape.

A graph holds on to the context it was captured from: NVIDIA's guide wants one context for each
graph, all of them sharing their device memory. TensorRT-RTX captures by itself instead.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from runtime.engines.tensorrt.context import BoundContext, Shape
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.errors import EngineError

logger = logging.getLogger(__name__)

_CAPTURED_AT = 2
"""A shape is captured when it comes for this time: many tails of batches come once only."""
_MOST_COUNTED = 4096
_MOST_FAILURES = 3
"""After so many captures that failed for another reason than a refusal, none is tried any more."""


class GraphCache:
    """Captures shapes that come again, and keeps the graphs that are needed most.

    A capture costs as much as many runs. So where no room is left a newcomer is captured only once
    it has come more often than the graph that gives way: shapes that take turns in a circle larger
    than the cache would else drive each other out for ever.

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
        self._graphs: dict[Shape, tuple[int, BoundContext]] = {}
        self._seen: Counter[Shape] = Counter()
        self._spare: list[BoundContext] = []
        self._num_failures = 0

    def __len__(self) -> int:
        """Count the graphs."""
        return len(self._graphs)

    def __contains__(self, shape: Shape) -> bool:
        """Tell whether a shape has a graph."""
        return shape in self._graphs

    def find(self, shape: Shape) -> int | None:
        """Return the executable graph of a shape, None if there is none."""
        if shape not in self._graphs:
            return None
        self._seen[shape] += 1
        return self._graphs[shape][0]

    def is_due(self, shape: Shape) -> bool:
        """Note that a shape has come without a graph; tell whether it is to be captured now."""
        if self._limit == 0 or self._plan.capture_refused or self._num_failures >= _MOST_FAILURES:
            return False
        if len(self._seen) >= _MOST_COUNTED:
            self._seen = Counter({held: self._seen[held] for held in self._graphs})
        self._seen[shape] += 1
        if self._seen[shape] < _CAPTURED_AT:
            return False
        return len(self._graphs) < self._limit or self._seen[shape] > self._seen[self._rarest()]

    def capture(self, shape: Shape, addresses: Mapping[str, int]) -> int | None:
        """Run a shape once as it is, wait for it, and capture it if that is allowed.

        Args:
            shape: within its profile.
            addresses: of inputs and outputs, by name; they hold until `clear`.

        Returns:
            the executable graph, None where it could not be captured.

        Raises:
            EngineError: if the run itself fails.
        """
        context = self._context()
        try:
            context.set_shape(shape)
            context.set_addresses(addresses)
            # Whatever TensorRT puts off until the first run is done outside the capture.
            context.enqueue()
            self._cuda.synchronize_stream(self._stream)
        except EngineError:
            self._spare.append(context)
            raise
        try:
            executable = self._captured(context)
        except _CaptureRefused as error:
            self.refuse(str(error))
            return None
        except EngineError as error:  # e.g. no memory for another graph
            self._spare.append(context)
            self._note_failure(shape, error)
            return None
        self._graphs[shape] = (executable, context)
        return executable

    def drop(self, shape: Shape, error: EngineError) -> None:
        """Let go of a graph that could not be launched, e.g. for want of memory."""
        executable, context = self._graphs.pop(shape)
        self._spare.append(context)
        self._cuda.destroy_executable(executable)
        self._note_failure(shape, error)

    def refuse(self, reason: str) -> None:
        """Give CUDA graphs up, for all lanes of the plan."""
        self._plan.capture_refused = True
        self.close()
        logger.info("%s: runs without CUDA graphs: %s", self._plan.path, reason)

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

    def _note_failure(self, shape: Shape, error: EngineError) -> None:
        self._num_failures += 1
        del self._seen[shape]
        logger.info("%s: a CUDA graph was not made: %s", self._plan.path, str(error))

    def _rarest(self) -> Shape:
        return min(self._graphs, key=lambda shape: self._seen[shape])

    def _context(self) -> BoundContext:
        """Return a context that no graph needs; the graph needed least gives way."""
        if len(self._graphs) >= self._limit:
            executable, context = self._graphs.pop(self._rarest())
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
        try:
            graph = self._cuda.end_capture(self._stream)
        except EngineError as error:
            # What spoilt it was said by TensorRT; CUDA only says that it was.
            raise _CaptureRefused(
                f"{error}; TensorRT said: {self._plan.log.since(mark) or 'nothing'}"
            ) from error
        try:
            if not is_taken:
                refusal = self._plan.failure("the run could not be captured", mark)
                raise _CaptureRefused(str(refusal))
            return self._cuda.instantiate_graph(graph)
        finally:
            self._cuda.destroy_graph(graph)

    def _end_spoilt_capture(self) -> None:
        try:
            self._cuda.destroy_graph(self._cuda.end_capture(self._stream))
        except EngineError as error:
            logger.debug("ending a spoilt capture: %s", str(error))


class _CaptureRefused(EngineError):
    """The network does what a capture forbids, and will the next time too."""
