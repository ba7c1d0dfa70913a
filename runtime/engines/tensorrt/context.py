"""An execution context that is told shapes and addresses only when they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.engines.sidecar import CLASSES, CONTENT_WIDTHS, PIXELS
from runtime.engines.tensorrt.engine import TensorRtEngine
from runtime.errors import EngineError


@dataclass(frozen=True)
class Shape:
    """What a context runs.

    Args:
        profile: number of the optimisation profile.
        pixels: [N, H, W, C].
    """

    profile: int
    pixels: tuple[int, int, int, int]

    @property
    def batch(self) -> int:
        """N."""
        return self.pixels[0]


class BoundContext:
    """A context of an engine on one stream.

    Args:
        engine: open.
        stream: all of the context's work goes there.
        scratch, scratch_nbytes: device memory to work in, which contexts of one stream may share.
        use_graphs: as `TensorRtEngine.create_context`.

    Raises:
        EngineError: if TensorRT makes none.
    """

    def __init__(
        self,
        engine: TensorRtEngine,
        stream: int,
        scratch: int,
        scratch_nbytes: int,
        use_graphs: bool,
    ) -> None:
        self._engine, self._stream = engine, stream
        self._context: Any = engine.create_context(use_graphs)
        self._context.set_device_memory(scratch, scratch_nbytes)
        self._profile = 0
        self._shape: Shape | None = None
        self._addresses: dict[str, int] = {}

    def set_shape(self, shape: Shape) -> int:
        """Set the inputs' shape.

        Args:
            shape: within its profile.

        Returns:
            T, the time steps of the outputs.

        Raises:
            EngineError: if TensorRT refuses.
        """
        if shape != self._shape:
            mark = self._engine.log.mark()
            self._shape = None
            is_set = shape.profile == self._profile or (
                self._context.set_optimization_profile_async(shape.profile, self._stream)
            )
            if is_set:
                self._profile = shape.profile
            for name, sizes in ((PIXELS, shape.pixels), (CONTENT_WIDTHS, (shape.batch,))):
                is_set = is_set and self._context.set_input_shape(name, sizes)
            if not is_set:
                raise self._engine.failure(f"an input of {list(shape.pixels)} is refused", mark)
            self._shape = shape
        batch, steps = self._context.get_tensor_shape(CLASSES)
        if batch != shape.batch or steps < 1:
            raise EngineError(
                f"{self._engine.path}: expected an output [{shape.batch}, T] for an input of "
                f"{list(shape.pixels)}, got {[batch, steps]}; rebuild: "
                f"{self._engine.sidecar.rebuild_command}"
            )
        return int(steps)

    def set_addresses(self, addresses: Mapping[str, int]) -> None:
        """Say where inputs and outputs lie on the GPU.

        Args:
            addresses: by tensor name.
        """
        for name, address in addresses.items():
            if self._addresses.get(name) == address:
                continue
            mark = self._engine.log.mark()
            if not self._context.set_tensor_address(name, address):
                raise self._engine.failure(f"the address of {name} is refused", mark)
            self._addresses[name] = address

    def try_enqueue(self) -> bool:
        """Put a run into the stream; whether TensorRT took it."""
        return bool(self._context.execute_async_v3(self._stream))

    def enqueue(self) -> None:
        """Put a run into the stream.

        Raises:
            EngineError: if TensorRT refuses.
        """
        mark = self._engine.log.mark()
        if not self.try_enqueue():
            sizes = None if self._shape is None else list(self._shape.pixels)
            raise self._engine.failure(f"an input of {sizes} could not be run", mark)
