"""Puts casts and a sigmoid around somebody else's detector, so that it is one of this project's.

Everything behind (engines, FP16, other readers) then finds float32 [N, C, H, W] -> probabilities,
float32 [N, 1, H, W], whatever the network itself takes and emits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from export.conversion.foreign_ends import ForeignEnds
from export.conversion.graph import opset_of
from runtime.detection.map_session import MapSession
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from runtime.errors import ArtifactError

_AXES_ARE_INPUTS = 13
"""Opset since which Unsqueeze takes its axes as an input."""


def make_canonical(
    model: onnx.ModelProto, session: MapSession, spec: DetectorSpec, where: str
) -> tuple[DetectorSpec, list[str]]:
    """Change a network's ends to float32 [N, C, H, W] and float32 [N, 1, H, W].

    Args:
        model: changed in place; nodes of its own stay as they are.
        session: of the model as it came.
        spec: of the detector.
        where: the file, for messages.

    Returns:
        the spec with the names of the new ends and the sizes that the network takes, and what was
        changed, in words.

    Raises:
        ArtifactError: if the network fixes its width alone.
    """
    made = ForeignEnds(model.graph, session.ends.input_name, session.ends.output_name)
    sizes = _sizes(spec.sizes, session.ends.input_shape, where)
    made.cast_to_float()
    if session.is_flat:
        turned, axis = "output turned from [N, H, W] to [N, 1, H, W]", np.array([1], np.int64)
        if opset_of(model) >= _AXES_ARE_INPUTS:
            made.append("Unsqueeze", turned, axis)
        else:
            made.append("Unsqueeze", turned, axes=axis.tolist())
        if len(made.dimensions) == 3:
            made.dimensions.insert(1, onnx.TensorShapeProto.Dimension(dim_value=1))
        else:
            made.dimensions = []
    if session.has_logits:
        made.append("Sigmoid", "logits made probabilities")
    input_name, output_name = made.finish()
    named = replace(spec, sizes=sizes, input_name=input_name, output_name=output_name)
    return named, made.changes


def _sizes(sizes: SizePolicy, shape: tuple[int | None, ...], where: str) -> SizePolicy:
    """Return the sizes that a network takes whose H or W is fixed, else those given."""
    height, width = shape[2:]
    if height is None and width is None:
        return sizes
    if height is None:
        raise ArtifactError(
            f"{where}: its width alone is fixed at {width} px: expected height and width open, or "
            "both fixed; export it so"
        )
    return SizePolicy(image_shape=(height, width or height), keep_ratio=width is None)
