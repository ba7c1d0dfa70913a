"""Where the tensors of a batch lie in a lane's two buffers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from runtime.engines.tensorrt.context import Shape
from runtime.engines.tensors import Sizes


@dataclass(frozen=True)
class Place:
    """Where a tensor lies in its buffer.

    Args:
        offset: in bytes.
        sizes, dtype: of the tensor.
    """

    offset: int
    sizes: Sizes
    dtype: np.dtype

    @property
    def end(self) -> int:
        """The byte after it."""
        return self.offset + prod(self.sizes) * self.dtype.itemsize


@dataclass(frozen=True)
class Layout:
    """A shape and where its tensors lie in the two buffers, by name."""

    shape: Shape
    inputs: dict[str, Place]
    outputs: dict[str, Place]

    @property
    def num_input_bytes(self) -> int:
        """What goes up."""
        return max(place.end for place in self.inputs.values())

    @property
    def num_output_bytes(self) -> int:
        """What comes down."""
        return max(place.end for place in self.outputs.values())
