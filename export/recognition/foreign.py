"""Puts casts and reorderings around somebody else's network, so that it is one of this project's.

Everything behind (engines, FP16, other readers) then finds float32 [N, C, H, W] -> [N, T, K] with
the blank first, whatever the network itself takes and emits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from export.conversion.foreign_ends import ForeignEnds
from runtime.recognition.model.ends import Ends
from runtime.recognition.model.layout import OutputLayout
from runtime.recognition.spec import RecognizerSpec


def make_canonical(
    model: onnx.ModelProto, ends: Ends, layout: OutputLayout, spec: RecognizerSpec
) -> tuple[RecognizerSpec, list[str]]:
    """Change a network's ends to float32 [N, C, H, W] and float32 [N, T, K], the blank first.

    Args:
        model: changed in place; nodes of its own stay as they are.
        ends: of the model as it came.
        layout: of the model as it came.
        spec: of the recogniser.

    Returns:
        the spec with the names of the new ends, and what was changed, in words.
    """
    made = ForeignEnds(model.graph, ends.input_name, ends.output_name)
    height = made.source.type.tensor_type.shape.dim[2]
    if height.dim_value != spec.height:
        height.dim_value = spec.height
        made.changes.append(f"height fixed at {spec.height} px")
    made.cast_to_float()
    if layout.axes != (0, 1, 2):
        turned = f"output turned from [{', '.join(layout.letters)}] to [N, T, K]"
        made.append("Transpose", turned, perm=list(layout.axes))
        if len(made.dimensions) == 3:
            made.dimensions = [made.dimensions[axis] for axis in layout.axes]
        else:
            made.dimensions = []
    if layout.is_blank_last:
        order = np.array([spec.num_classes - 1, *range(spec.num_classes - 1)], np.int64)
        made.append("Gather", "blank moved from the last class to the first", order, axis=2)
    input_name, output_name = made.finish()
    return replace(spec, input_name=input_name, output_name=output_name), made.changes
