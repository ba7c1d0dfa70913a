"""An execution context that is told shapes and addresses only when they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.engines.tensors import Sizes
from runtime.errors import EngineError


@dataclass(frozen=True)
class Shape:
    """What a context runs.

    Args:
        profile: number of the optimisation profile.
        inputs: name and sizes of every input.
    """

    profile: int
    inputs: tuple[tuple[str, Sizes], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} {list(sizes)}" for name, sizes in self.inputs)


class BoundContext:
    """A context of a plan on one stream.

    Args:
        plan: open.
        stream: all of the context's work goes there.
        scratch, scratch_nbytes: device memory to work in, which contexts of one stream may share.
        use_graphs: as `TensorRtPlan.create_context`.

    Raises:
        EngineError: if TensorRT makes none.
    """

    def __init__(
        self,
        plan: TensorRtPlan,
        stream: int,
        scratch: int,
        scratch_nbytes: int,
        use_graphs: bool,
    ) -> None:
        self._plan, self._stream = plan, stream
        self._outputs = [binding.name for binding in plan.sidecar.of_mode("output")]
        self._context: Any = plan.create_context(use_graphs)
        self._memory, self._has_memory = (scratch, scratch_nbytes), False
        self._profile = 0  # a new context's
        self._shape: Shape | None = None
        self._addresses: dict[str, int] = {}

    @property
    def captures_by_itself(self) -> bool:
        """Whether TensorRT-RTX captures what was set last into a CUDA graph."""
        capturable = getattr(self._context, "is_stream_capturable", None)
        return capturable is not None and bool(capturable(self._stream))

    @property
    def shape(self) -> Shape | None:
        """What was set last; None before, and after a refusal."""
        return self._shape

    def set_shape(self, shape: Shape) -> dict[str, Sizes]:
        """Set the inputs' shapes.

        Args:
            shape: within its profile.

        Returns:
            the outputs' shapes by name.

        Raises:
            EngineError: if TensorRT refuses, or leaves an output open.
        """
        context = self._context
        if shape != self._shape:
            self._shape = None
            self._select(shape)
            for name, sizes in shape.inputs:
                self._require(
                    lambda name=name, sizes=sizes: context.set_input_shape(name, sizes),  # type: ignore[misc]
                    f"{name} {list(sizes)} is refused",
                )
            self._shape = shape
        shapes = {
            name: tuple(int(size) for size in context.get_tensor_shape(name))
            for name in self._outputs
        }
        for name, sizes in shapes.items():
            if min(sizes, default=1) < 1:
                raise EngineError(
                    f"{self._plan.path}: expected a known size of {name} for {shape}, got "
                    f"{list(sizes)}; rebuild: {self._plan.sidecar.remedy}"
                )
        return shapes

    def set_addresses(self, addresses: Mapping[str, int]) -> None:
        """Say where inputs and outputs lie on the GPU, by tensor name.

        Raises:
            EngineError: if TensorRT refuses.
        """
        for name, address in addresses.items():
            if self._addresses.get(name) != address:
                self._require(
                    lambda name=name, address=address: self._context.set_tensor_address(  # type: ignore[misc]
                        name, address
                    ),
                    f"the address of {name} is refused",
                )
                self._addresses[name] = address

    def try_enqueue(self) -> bool:
        """Put a run into the stream; return whether TensorRT took it."""
        return bool(self._context.execute_async_v3(self._stream))

    def enqueue(self) -> None:
        """Put a run into the stream.

        Raises:
            EngineError: if TensorRT refuses.
        """
        self._require(self.try_enqueue, f"{self._shape or 'nothing'} could not be run")

    def _select(self, shape: Shape) -> None:
        """Switch to a shape's profile where it is another one, and give the context its memory.

        In this order: memory is held against the profile of that moment, and what is too little
        for it is refused in the log alone.
        """
        if shape.profile == self._profile and self._has_memory:
            return
        if shape.profile != self._profile:
            self._require(
                lambda: self._context.set_optimization_profile_async(shape.profile, self._stream),
                f"profile {shape.profile} is refused for {shape}",
            )
            self._profile = shape.profile
        self._context.set_device_memory(*self._memory)
        self._has_memory = True

    def _require(self, call: Callable[[], bool], what: str) -> None:
        """Make a call that TensorRT answers with a refusal: False, or RuntimeError."""
        mark = self._plan.log.mark()
        try:
            is_taken = bool(call())
        except RuntimeError as error:
            raise self._plan.failure(f"{what} ({error})", mark) from error
        if not is_taken:
            raise self._plan.failure(what, mark)
