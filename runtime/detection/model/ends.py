"""Finds the input and the output of a detector among those that an engine declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.detection.preprocess import MOST_SIDE_PX
from runtime.detection.sizes import SizeRange, fixed_range
from runtime.detection.spec import CHANNELS
from runtime.engines.tensors import TensorInfo
from runtime.errors import ArtifactError

FLOAT, HALF = "float32", "float16"
_MAX_FIXED_BATCH = 1024
_MAX_INPUT_BYTES = 2**30
_GIVE = "give a text detection model"
_REMEDIES = {
    "float64": "convert its ends to float32, or export it again as float32",
    "bfloat16": "convert its ends to float32, or export it again as float32",
    "uint8": "it normalises pixels itself: export it without that step, for float32 input",
}


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
    if len(inputs) != 1:
        raise ArtifactError(
            f"{where}: not a text detector: expected one input, got {_listed(inputs)}; {_GIVE}"
        )
    source = inputs[0]
    if source.dtype not in (FLOAT, HALF) or len(source.shape or ()) != 4:
        raise ArtifactError(
            f"{where}: not a text detector that can be fed: expected one float32 or float16 input "
            f"[N, {CHANNELS}, H, W], got {_listed(inputs)}; {_REMEDIES.get(source.dtype, _GIVE)}"
        )
    _check_sizes(source.sizes, where)
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
    if output_name is not None:
        named = [output for output in outputs if output.name == output_name]
        if not named:
            raise ArtifactError(
                f"{where}: no output of the name expected, {output_name}: got {_listed(outputs)}; "
                "export the model again"
            )
        outputs = named
    suitable = [output for output in outputs if _may_be_map(output)]
    if len(suitable) > 1:
        raise ArtifactError(
            f"{where}: which output holds the map cannot be told: expected one [N, 1, H, W], got "
            f"{_listed(outputs)}; export it with the map of probabilities alone"
        )
    if not suitable:
        raise ArtifactError(
            f"{where}: not a text detector: expected an output [N, 1, H, W] of float32 or "
            f"float16, got {_listed(outputs)}; {_GIVE}"
        )
    return suitable[0]


def _may_be_map(output: TensorInfo) -> bool:
    """Tell whether an output may be [N, 1, H, W], or [N, H, W], as far as it is declared."""
    sizes = output.sizes
    has_map = len(sizes) in (0, 3) or (len(sizes) == 4 and sizes[1] in (None, 1))
    return output.dtype in (FLOAT, HALF) and has_map


def _check_sizes(shape: tuple[int | None, ...], where: str) -> None:
    """Refuse an input that cannot be for pages, before anything of its size is allocated."""
    num, channels, height, width = shape
    if channels not in (None, CHANNELS):
        is_channels_last = width == CHANNELS
        got = "[N, H, W, C]" if is_channels_last else f"C = {channels}"
        remedy = "export it with channels first" if is_channels_last else _GIVE
        raise ArtifactError(
            f"{where}: not an input of pages: expected [N, {CHANNELS}, H, W], got {got} of "
            f"{list(shape)}; {remedy}"
        )
    for letter, size, most in (
        ("N", num, _MAX_FIXED_BATCH),
        ("H", height, MOST_SIDE_PX),
        ("W", width, MOST_SIDE_PX),
    ):
        if size is not None and size > most:
            raise ArtifactError(
                f"{where}: not an input of pages: expected {letter} up to {most}, got {letter} = "
                f"{size}; export it with {letter} open or smaller"
            )
    num_bytes = 4 * CHANNELS * (num or 1) * (height or 1) * (width or 1)
    if num_bytes > _MAX_INPUT_BYTES:
        raise ArtifactError(
            f"{where}: its fixed input takes {num_bytes} bytes: expected up to {_MAX_INPUT_BYTES}, "
            f"got {list(shape)}; export it with N open or smaller"
        )


def _listed(tensors: Sequence[TensorInfo]) -> str:
    more = f" and {len(tensors) - 4} more" if len(tensors) > 4 else ""
    return (", ".join(map(str, tensors[:4])) or "none") + more
