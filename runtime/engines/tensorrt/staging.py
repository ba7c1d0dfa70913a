"""The buffers of a lane: room for one batch on the GPU, page-locked room for several of a call.

A stream does one thing after the other, so that on the GPU all batches share one place. On the
host each has a place of its own: nothing that is still to be copied is written over.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate
from math import prod

import numpy as np

from runtime.engines.cuda import Cuda
from runtime.engines.cuda.buffers import TwinBuffer, aligned
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.tensorrt.context import Shape
from runtime.engines.tensorrt.layout import Layout, Place
from runtime.engines.tensors import Array, Shapes, Sizes

MOST_STAGED_BYTES = 32 * 2**20
"""Of inputs, and of outputs, that wait in page-locked memory at once; a larger batch is alone."""
_MOST_LAYOUTS = 4096
"""Shapes whose layout is remembered; beyond them all are worked out anew."""


class Staging:
    """Where the batches of a call lie, on the host and on the GPU.

    Args:
        cuda: the GPU selected is the calling thread's.
        sidecar: of the plan.
        stream: that copies.
    """

    def __init__(self, cuda: Cuda, sidecar: EngineSidecar, stream: int) -> None:
        self._stream = stream
        # The largest input lies last, behind room for every size of the others, so that addresses
        # stay whatever the shape.
        rooms = {
            binding.name: aligned(
                np.dtype(binding.dtype).itemsize
                * max(prod(profile[binding.name].max) for profile in sidecar.profiles)
            )
            for binding in sidecar.of_mode("input")
        }
        self._rooms = dict(sorted(rooms.items(), key=lambda room: room[1]))
        self._dtypes = {binding.name: np.dtype(binding.dtype) for binding in sidecar.bindings}
        self._inputs, self._outputs = TwinBuffer(cuda), TwinBuffer(cuda)
        self._known: dict[Shape, Layout] = {}
        self._layouts: list[Layout] = []
        self._input_starts: list[int] = []
        self._output_starts: list[int] = []

    def shape(self, profile: int, shapes: Shapes) -> Shape:
        """Return what a context runs, its inputs in the order in which they lie."""
        return Shape(profile, tuple((name, shapes[name]) for name in self._rooms))

    def known(self, shape: Shape) -> Layout | None:
        """Return where a shape's tensors lie, None if that was not worked out yet."""
        return self._known.get(shape)

    def lay_out(self, shape: Shape, outputs: dict[str, Sizes]) -> Layout:
        """Work out where a shape's tensors lie.

        Args:
            shape: its inputs.
            outputs: shapes by name.
        """
        if len(self._known) >= _MOST_LAYOUTS:
            self._known.clear()
        layout = self._known[shape] = Layout(
            shape, self._places(dict(shape.inputs), self._rooms), self._places(outputs, {})
        )
        return layout

    def needs_more(self, layouts: Sequence[Layout]) -> bool:
        """Whether the GPU's blocks are too small, so that their addresses are to change."""
        return (
            max(layout.num_input_bytes for layout in layouts) > self._inputs.nbytes
            or max(layout.num_output_bytes for layout in layouts) > self._outputs.nbytes
        )

    def take(self, layouts: Sequence[Layout]) -> None:
        """Make room for batches and give each its place, after the last ones' outputs were read.

        Raises:
            EngineError: if the GPU is short of memory; there is no batch then.
        """
        self._layouts = []
        ups = [layout.num_input_bytes for layout in layouts]
        downs = [layout.num_output_bytes for layout in layouts]
        self._input_starts, self._output_starts = _starts(ups), _starts(downs)
        self._inputs.reserve(max(ups), self._input_starts[-1] + ups[-1])
        self._outputs.reserve(max(downs), self._output_starts[-1] + downs[-1])
        self._layouts = list(layouts)

    def drop(self) -> None:
        """Forget the batches; the room stays."""
        self._layouts = []

    @property
    def num_batches(self) -> int:
        """How many have a place."""
        return len(self._layouts)

    def layout(self, number: int) -> Layout:
        """Return the layout of a batch."""
        return self._layouts[number]

    def addresses(self, layout: Layout) -> dict[str, int]:
        """Return where tensors lie on the GPU."""
        buffers = ((self._inputs, layout.inputs), (self._outputs, layout.outputs))
        return {
            name: buffer.device + place.offset
            for buffer, places in buffers
            for name, place in places.items()
        }

    def inputs(self, number: int) -> dict[str, Array]:
        """Return views of a batch's inputs, to be filled."""
        return _views(self._inputs, self._input_starts[number], self.layout(number).inputs)

    def outputs(self, number: int) -> dict[str, Array]:
        """Return views of a batch's outputs, which hold until the next `take`."""
        return _views(self._outputs, self._output_starts[number], self.layout(number).outputs)

    def upload(self, number: int) -> None:
        """Start copying a batch's inputs to the GPU."""
        nbytes = self.layout(number).num_input_bytes
        self._inputs.upload(nbytes, self._stream, self._input_starts[number])

    def download(self, number: int) -> None:
        """Start copying a batch's outputs from the GPU."""
        nbytes = self.layout(number).num_output_bytes
        self._outputs.download(nbytes, self._stream, self._output_starts[number])

    def close(self) -> None:
        """Give everything back; nothing may be under way."""
        self._layouts = []
        with ExitStack() as stack:
            stack.callback(self._inputs.close)
            stack.callback(self._outputs.close)

    def _places(self, shapes: dict[str, Sizes], rooms: dict[str, int]) -> dict[str, Place]:
        """Lay tensors one behind the other, each in its room or just as large as it is."""
        places, offset = {}, 0
        for name in rooms or shapes:
            places[name] = Place(offset, shapes[name], self._dtypes[name])
            offset += rooms.get(name) or aligned(places[name].end - offset)
        return places


def num_that_fit(layouts: Sequence[Layout]) -> int:
    """Return how many batches, of the first on, may wait at once; one at least."""
    num_fitting, ups, downs = 0, 0, 0
    for layout in layouts:
        ups += aligned(layout.num_input_bytes)
        downs += aligned(layout.num_output_bytes)
        if max(ups, downs) > MOST_STAGED_BYTES:
            break
        num_fitting += 1
    return max(num_fitting, 1)


def _starts(sizes: Sequence[int]) -> list[int]:
    return [0, *accumulate(map(aligned, sizes[:-1]))]


def _views(buffer: TwinBuffer, start: int, places: dict[str, Place]) -> dict[str, Array]:
    return {
        name: buffer.view(start + place.offset, place.sizes, place.dtype.type)
        for name, place in places.items()
    }
