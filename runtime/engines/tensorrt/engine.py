"""A TensorRT plan as an engine: arrays by name go up, arrays by name come down."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from queue import SimpleQueue

import numpy as np

from runtime.engines.tensorrt.lane import Lane
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.engines.tensorrt.profiles import parts_of
from runtime.engines.tensors import Array, Fill, Filled, Part, Profile, Shapes, Sizes
from runtime.errors import EngineError

logger = logging.getLogger(__name__)

NUM_LANES = 2
_TITLES = {
    "tensorrt": "TensorRT",
    "tensorrt_rtx": "TensorRT-RTX",
    "tensorrt_lean": "TensorRT's lean runtime",
}


class TensorRtEngine:
    """An `Engine` of TensorRT: lanes of one plan, each with a context, a stream and buffers.

    Args:
        plan: open; closed with the engine.
        use_graphs: whether shapes that come again are captured into CUDA graphs.
        num_lanes: how many calls run at once; with two the GPU computes one batch while another is
            filled, copied and decoded.

    Raises:
        EngineError: if the GPU is short of memory; nothing is held then, the plan neither.
    """

    is_on_cpu = False

    def __init__(
        self, plan: TensorRtPlan, use_graphs: bool = True, num_lanes: int = NUM_LANES
    ) -> None:
        self.plan, self.num_lanes = plan, num_lanes
        sidecar = plan.sidecar
        self.path = plan.path
        self.inputs = tuple(binding.info for binding in sidecar.of_mode("input"))
        self.outputs = tuple(binding.info for binding in sidecar.of_mode("output"))
        self.profiles: Sequence[Profile] = sidecar.profiles
        self.metadata: Mapping[str, str] = sidecar.metadata
        self.samples_at_once = max(
            min(shapes.max[0] for shapes in profile.values()) for profile in self.profiles
        )
        self._lanes: SimpleQueue[Lane | None] = SimpleQueue()
        with ExitStack() as stack:
            stack.callback(plan.close)
            for _ in range(num_lanes):
                lane = Lane(plan, use_graphs)
                stack.callback(lane.close)
                self._lanes.put(lane)
            self._held = stack.pop_all()
        logger.info("%s: %s", self.path, self.description)

    @property
    def description(self) -> str:
        """Library, version, precision and GPU."""
        library, gpu = self.plan.library, self.plan.gpu
        return (
            f"{_TITLES[library.name]} {library.version}, {self.plan.sidecar.achieved}, {gpu.name} "
            f"(number {gpu.device_id}), {self.plan.cuda.name}"
        )

    def parts(self, count: int, sizes: Mapping[str, Sizes]) -> list[Part]:
        """Divide samples among the profiles; see `Engine.parts`."""
        return parts_of(count, sizes, self.profiles, str(self.path))

    def run(self, tensors: Mapping[str, Array], outputs: Sequence[str] = ()) -> dict[str, Array]:
        """Run the network; see `Engine.run`."""
        dtypes = {info.name: info.dtype for info in self.inputs}
        got = {name: str(array.dtype) for name, array in tensors.items()}
        if got != dtypes:
            raise EngineError(f"{self.path}: expected inputs {dtypes}, got {got}")

        def fill(views: Mapping[str, Array]) -> None:
            for name, array in tensors.items():
                views[name][...] = array

        shapes = {name: array.shape for name, array in tensors.items()}
        emitted = self.run_filled(shapes, fill)
        return {name: emitted[name] for name in outputs or emitted}

    def run_filled(self, shapes: Shapes, fill: Fill) -> dict[str, Array]:
        """Run the network on inputs written into page-locked memory; see `Engine.run_filled`."""
        return self.run_parts([(shapes, fill)])[0]

    def run_parts(self, parts: Sequence[Filled]) -> list[dict[str, Array]]:
        """Start all parts one behind the other, and wait once; see `Engine.run_parts`."""
        lane = self._lanes.get()
        try:
            if lane is None:
                raise EngineError(f"{self.path}: the session is closed; open the model again")
            emitted: list[dict[str, Array]] = []
            while len(emitted) < len(parts):
                rest = parts[len(emitted) :]
                num_staged = lane.stage([shapes for shapes, _ in rest])
                for number, (_, fill) in enumerate(rest[:num_staged]):
                    # While this one is written, the GPU has those before it in hand.
                    fill(lane.select(number))
                    lane.upload()
                    lane.compute()
                    lane.download()
                lane.synchronize()
                emitted += [
                    {name: np.array(view) for name, view in lane.outputs(number).items()}
                    for number in range(num_staged)
                ]
            return emitted
        finally:
            self._lanes.put(lane)

    def close(self) -> None:
        """Wait for what runs, and give everything back."""
        lanes = [self._lanes.get() for _ in range(self.num_lanes)]
        try:
            self._held.close()
        except EngineError as error:
            # Everything was given back that could be, and there is nothing left to be done.
            logger.warning("%s: closing: %s", self.path, str(error))
        finally:
            for _ in lanes:
                self._lanes.put(None)
