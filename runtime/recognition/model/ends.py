"""Finds the input and the output of a recogniser among those that an engine declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.engines.image_input import FLOAT, HALF, ImageInput, listed, outputs_named
from runtime.engines.tensors import TensorInfo
from runtime.errors import ArtifactError
from runtime.recognition.spec import MAX_HEIGHT_PX, MAX_WIDTH_PX

_LINES = ImageInput(
    title="text recogniser",
    images="lines",
    channels=(1, 3),
    max_height_px=MAX_HEIGHT_PX,
    max_width_px=MAX_WIDTH_PX,
    give="give a text recognition model",
    more_remedies=dict.fromkeys(
        ("int64", "int32"), "it chooses the classes itself: export it with the scores as output"
    ),
)


@dataclass(frozen=True)
class Ends:
    """The input and the output of a recogniser.

    Args:
        input_name, output_name: of the tensors.
        input_shape: [N, C, H, W], None where a dimension is not fixed.
        output_shape: as declared, None where a dimension is not fixed or nothing is declared.
        is_half_input: whether the input is float16, so that it is cast.
        declared_batch_axis: dimension of the output that has the name of the input's N; None
            without such a dimension.
    """

    input_name: str
    output_name: str
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...] | None
    is_half_input: bool
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
    source = _LINES.among(inputs, where)
    target = _scores(outputs, where, output_name)
    batch = (source.shape or ())[0]
    return Ends(
        source.name,
        target.name,
        source.sizes,
        target.sizes or None,
        source.dtype == HALF,
        None if batch == (source.shape or ())[3] else _place_of(batch, target),
    )


def _scores(outputs: Sequence[TensorInfo], where: str, output_name: str | None) -> TensorInfo:
    """Return the output with the scores: the named one, else the only one of a suitable type."""
    remedy = "give the name of one of these, or export the model again"
    outputs = outputs_named(outputs, output_name, where, remedy)
    suitable = [
        output
        for output in outputs
        if output.dtype in (FLOAT, HALF) and (not output.shape or len(output.shape) == 3)
    ]
    if len(suitable) > 1:
        raise ArtifactError(
            f"{where}: which output holds the scores cannot be told: expected one [N, T, K], got "
            f"{listed(outputs)}; say it: python -m export adopt {where} --output NEW.onnx "
            f"--output-name {suitable[0].name}"
        )
    if not suitable:
        raise ArtifactError(
            f"{where}: not a CTC recogniser: expected an output [N, T, K] of float32 or float16, "
            f"got {listed(outputs)}; {_LINES.remedy_for(outputs)}"
        )
    return suitable[0]


def _place_of(name: int | str | None, target: TensorInfo) -> int | None:
    """Return the position of a named dimension in a shape, None for a size, which is no name."""
    shape = list(target.shape or ())
    if not isinstance(name, str) or not name or shape.count(name) != 1:
        return None
    return shape.index(name)
