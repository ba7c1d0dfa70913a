"""Finds the input and the output of a recogniser among those that an engine declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.engines.tensors import TensorInfo
from runtime.errors import ArtifactError
from runtime.recognition.spec import MAX_HEIGHT_PX, MAX_WIDTH_PX

FLOAT, HALF = "float32", "float16"
MAX_FIXED_BATCH = 1024
_MAX_INPUT_BYTES = 2**30
_CHANNELS = (1, 3)
_GIVE = "give a text recognition model"
_TO_FLOAT = "convert its ends to float32, or export it again as float32"
_REMEDIES = {
    "float64": _TO_FLOAT,
    "bfloat16": _TO_FLOAT,
    "uint8": "it normalises pixels itself: export it without that step, for float32 input",
    "int64": "it chooses the classes itself: export it with the scores as output",
    "int32": "it chooses the classes itself: export it with the scores as output",
}


@dataclass(frozen=True)
class Ends:
    """The input and the output of a recogniser.

    Args:
        input_name, output_name: of the tensors.
        input_shape: [N, C, H, W], None where a dimension is not fixed.
        output_shape: as declared, None where a dimension is not fixed or nothing is declared.
        is_half_input, is_half_output: whether they are float16, so that they are cast.
        declared_batch_axis: dimension of the output that has the name of the input's N; None
            without such a dimension.
    """

    input_name: str
    output_name: str
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...] | None
    is_half_input: bool
    is_half_output: bool
    declared_batch_axis: int | None


def ends_of(
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    where: str,
    output_name: str | None = None,
) -> Ends:
    """Find the input for images and the output with scores.

    Args:
        inputs, outputs: as the engine declares them.
        where: the file, for messages.
        output_name: of the output with the scores, where it is known.

    Raises:
        ArtifactError: if input or output are not those of a text recogniser, or too large.
    """
    if len(inputs) != 1:
        raise ArtifactError(
            f"{where}: not a text recogniser: expected one input, got {_listed(inputs)}; {_GIVE}"
        )
    source = inputs[0]
    if source.dtype not in (FLOAT, HALF) or len(source.shape or ()) != 4:
        raise ArtifactError(
            f"{where}: not a text recogniser that can be fed: expected one float32 or float16 "
            f"input [N, C, H, W], got {_listed(inputs)}; {_REMEDIES.get(source.dtype, _GIVE)}"
        )
    _check_sizes(source.sizes, where)
    target = _scores(outputs, where, output_name)
    batch = (source.shape or ())[0]
    return Ends(
        source.name,
        target.name,
        source.sizes,
        target.sizes or None,
        source.dtype == HALF,
        target.dtype == HALF,
        None if batch == (source.shape or ())[3] else _place_of(batch, target),
    )


def _scores(outputs: Sequence[TensorInfo], where: str, output_name: str | None) -> TensorInfo:
    """Return the output with the scores: the named one, else the only one of a suitable type."""
    if output_name is not None:
        named = [output for output in outputs if output.name == output_name]
        if not named:
            raise ArtifactError(
                f"{where}: no output of the name expected, {output_name}: got {_listed(outputs)}; "
                "give the name of one of these, or export the model again"
            )
        outputs = named
    suitable = [
        output
        for output in outputs
        if output.dtype in (FLOAT, HALF) and (not output.shape or len(output.shape) == 3)
    ]
    if len(suitable) > 1:
        raise ArtifactError(
            f"{where}: which output holds the scores cannot be told: expected one [N, T, K], got "
            f"{_listed(outputs)}; say it: python -m export adopt {where} --output NEW.onnx "
            f"--output-name {suitable[0].name}"
        )
    if not suitable:
        remedies = (_REMEDIES[output.dtype] for output in outputs if output.dtype in _REMEDIES)
        raise ArtifactError(
            f"{where}: not a CTC recogniser: expected an output [N, T, K] of float32 or float16, "
            f"got {_listed(outputs)}; {next(remedies, _GIVE)}"
        )
    return suitable[0]


def _check_sizes(shape: tuple[int | None, ...], where: str) -> None:
    """Refuse an input that cannot be for lines, before anything of its size is allocated."""
    num, channels, height, width = shape
    if channels not in (None, *_CHANNELS):
        is_channels_last = width in _CHANNELS
        got = "[N, H, W, C]" if is_channels_last else f"C = {channels}"
        remedy = "export it with channels first" if is_channels_last else _GIVE
        raise ArtifactError(
            f"{where}: not an input of lines: expected [N, C, H, W] with C = 1 or 3, got {got} "
            f"of {list(shape)}; {remedy}"
        )
    for letter, size, most in (
        ("N", num, MAX_FIXED_BATCH),
        ("H", height, MAX_HEIGHT_PX),
        ("W", width, MAX_WIDTH_PX),
    ):
        if size is not None and size > most:
            raise ArtifactError(
                f"{where}: not an input of lines: expected {letter} up to {most}, got {letter} = "
                f"{size}; export it with {letter} open or smaller"
            )
    num_bytes = 4 * (num or 1) * (channels or 3) * (height or 1) * (width or 1)
    if num_bytes > _MAX_INPUT_BYTES:
        raise ArtifactError(
            f"{where}: its fixed input takes {num_bytes} bytes: expected up to {_MAX_INPUT_BYTES}, "
            f"got {list(shape)}; export it with N open or smaller"
        )


def _place_of(name: int | str | None, target: TensorInfo) -> int | None:
    """Return the position of a named dimension in a shape, None for a size, which is no name."""
    shape = list(target.shape or ())
    if not isinstance(name, str) or not name or shape.count(name) != 1:
        return None
    return shape.index(name)


def _listed(tensors: Sequence[TensorInfo]) -> str:
    more = f" and {len(tensors) - 4} more" if len(tensors) > 4 else ""
    return (", ".join(map(str, tensors[:4])) or "none") + more
