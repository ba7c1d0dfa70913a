"""Runs of onnxruntime on inputs and outputs that stay where they are on the GPU.

Source: onnxruntime's Python API, IOBinding and OrtValue: inputs are updated in place, and what a
first run of a shape emitted is written again by the later ones, so that nothing is allocated.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from runtime.engines.tensors import Array, Shapes, Sizes, TensorInfo, filled

MOST_SHAPES = 32
"""Whose tensors stay on the GPU; the one that was needed longest ago gives way."""
MOST_BYTES = 128 * 2**20
"""Of these tensors; one larger shape alone may take more."""


@dataclass
class Bound:
    """Tensors of one shape.

    Args:
        arrays: inputs on the host, to be written and copied.
        inputs: the same on the device.
        binding: onnxruntime's.
        outputs: on the device, in the session's order; none before the first run.
        nbytes: of inputs and outputs on the device.
    """

    arrays: dict[str, Array]
    inputs: dict[str, Any]
    binding: Any
    outputs: list[Any]
    nbytes: int


class BoundRuns:
    """Runs one session for one thread at a time.

    Args:
        ort: the onnxruntime module.
        session: open.
        inputs, outputs: what it takes and emits.
        device: onnxruntime's name of it, `cuda` or `cpu`.
        device_id: its number.
    """

    def __init__(
        self,
        ort: Any,
        session: Any,
        inputs: tuple[TensorInfo, ...],
        outputs: tuple[TensorInfo, ...],
        device: str,
        device_id: int,
    ) -> None:
        self._ort, self._session = ort, session
        self._inputs, self._outputs = inputs, outputs
        self._device = (device, device_id)
        self._kept: OrderedDict[tuple[Sizes, ...], Bound] = OrderedDict()

    def bound(self, shapes: Shapes) -> Bound:
        """Take what is kept of a shape, or make it; `run` puts it back.

        Raises:
            Exception: whatever onnxruntime does, here and in `run`.
        """
        return self._kept.pop(self._key(shapes), None) or self._new(shapes)

    def run(self, bound: Bound) -> dict[str, Array]:
        """Run the network on what was written to `bound.arrays`; return the outputs by name."""
        for name, value in bound.inputs.items():
            value.update_inplace(bound.arrays[name])
        self._session.run_with_iobinding(bound.binding)
        if not bound.outputs:
            self._keep_outputs(bound)
        emitted = {
            info.name: np.array(value.numpy())
            for info, value in zip(self._outputs, bound.outputs, strict=True)
        }
        # Only now: what failed is not used again.
        self._kept[self._key({name: array.shape for name, array in bound.arrays.items()})] = bound
        self._make_room()
        return emitted

    def _key(self, shapes: Shapes) -> tuple[Sizes, ...]:
        return tuple(tuple(shapes[info.name]) for info in self._inputs)

    def _new(self, shapes: Shapes) -> Bound:
        arrays = filled(shapes, self._inputs, lambda _: None)
        binding = self._session.io_binding()
        inputs = {}
        for name, array in arrays.items():
            inputs[name] = self._ort.OrtValue.ortvalue_from_shape_and_type(
                list(array.shape), array.dtype.type, *self._device
            )
            binding.bind_ortvalue_input(name, inputs[name])
        for info in self._outputs:  # whose sizes are known after the first run
            binding.bind_output(info.name, *self._device)
        return Bound(arrays, inputs, binding, [], sum(array.nbytes for array in arrays.values()))

    def _keep_outputs(self, bound: Bound) -> None:
        """Let later runs of the shape write to what the first one allocated."""
        bound.outputs = bound.binding.get_outputs()
        for info, value in zip(self._outputs, bound.outputs, strict=True):
            bound.binding.bind_ortvalue_output(info.name, value)
            bound.nbytes += prod(value.shape()) * np.dtype(info.dtype).itemsize

    def _make_room(self) -> None:
        while len(self._kept) > MOST_SHAPES or (
            len(self._kept) > 1 and sum(bound.nbytes for bound in self._kept.values()) > MOST_BYTES
        ):
            self._kept.popitem(last=False)
