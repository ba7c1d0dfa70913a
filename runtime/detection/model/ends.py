"""Finds the input and the output of a detector among those that an engine declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.detection.preprocess import MOST_SIDE_PX
from runtime.detection.sizes import SizeRange, fixed_range
from runtime.detection.spec import CHANNELS
from runtime.engines.image_input import FLOAT, HALF, ImageInput, listed, outputs_named
from runtime.engines.tensors import TensorInfo
from runtime.errors import ArtifactError

_PAGES = ImageInput(
    title="text detector",
    images="pages",
    channels=(CHANNELS,),
    max_height_px=MOST_SIDE_PX,
    max_width_px=MOST_SIDE_PX,
    give="give a text detection model",
    more_remedies={},
)


@dataclass(frozen=True)
class Ends:
    """The input and the output of a detector.

    Args:
        input_name, output_name: of the tensors.
        input_shape: [N, C, H, W], None where a dimension is not fixed.
        is_half_input: whether the input is float16, so that it is cast.
    """

    input_name: str
    output_name: str
    input_shape: tuple[int | None, ...]
    is_half_input: bool

    @property
    def size_ranges(self) -> tuple[SizeRange, ...]:
        """Heights and widths that it takes; empty where neither is fixed."""
        return fixed_range(self.input_shape[2:])


def ends_of(
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    where: str,
    output_name: str | None = None,
) -> Ends:
    """Find the input for images and the output with the map.

    Args:
        inputs, outputs: as the engine declares them.
        where: the file, for messages.
        output_name: of the output with the map, where it is known.

    Raises:
        ArtifactError: if input or output are not those of a text detector, or too large.
    """
    source = _PAGES.among(inputs, where)
    target = _map_among(outputs, where, output_name)
    return Ends(source.name, target.name, source.sizes, source.dtype == HALF)


def may_be_detector(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> bool:
    """Tell whether a network's ends are declared as a detector's: [N, 3, H, W] -> [N, 1, H, W]."""
    if len(inputs) != 1 or len(outputs) != 1:
        return False
    source, target = inputs[0].sizes, outputs[0].sizes
    is_image = len(source) == 4 and source[1] == CHANNELS
    return is_image and len(target) == 4 and target[1] == 1


def _map_among(outputs: Sequence[TensorInfo], where: str, output_name: str | None) -> TensorInfo:
    """Return the output with the map: the named one, else the only one of a suitable form."""
    outputs = outputs_named(outputs, output_name, where, "export the model again")
    suitable = [output for output in outputs if _may_be_map(output)]
    if len(suitable) > 1:
        raise ArtifactError(
            f"{where}: which output holds the map cannot be told: expected one [N, 1, H, W], got "
            f"{listed(outputs)}; export it with the map of probabilities alone"
        )
    if not suitable:
        raise ArtifactError(
            f"{where}: not a text detector: expected an output [N, 1, H, W] of float32 or "
            f"float16, got {listed(outputs)}; {_PAGES.give}"
        )
    return suitable[0]


def _may_be_map(output: TensorInfo) -> bool:
    """Tell whether an output may be [N, 1, H, W], or [N, H, W], as far as it is declared."""
    sizes = output.sizes
    has_map = len(sizes) in (0, 3) or (len(sizes) == 4 and sizes[1] in (None, 1))
    return output.dtype in (FLOAT, HALF) and has_map
