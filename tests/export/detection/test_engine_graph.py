"""Pixels in, probabilities out: normalised as the runtime does, with the same rounding."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.detection.engine_graph import engine_graph
from export.proof.emulate import cpu_session
from runtime.detection.preprocess import normalize_image
from runtime.detection.spec import DetectorSpec
from runtime.errors import ArtifactError


def first_channel(
    input_name: str = "x", output_name: str = "probabilities", between: str = "cut"
) -> onnx.ModelProto:
    """A network that hands on the first channel of its input."""
    starts, ends, axes = (
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("starts", 0), ("ends", 1), ("axes", 1))
    )
    nodes = [
        helper.make_node("Slice", [input_name, "starts", "ends", "axes"], [between]),
        helper.make_node("Identity", [between], [output_name]),
    ]
    graph = helper.make_graph(
        nodes,
        "first",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ["N", 1, "H", "W"])],
        [starts, ends, axes],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)


@pytest.mark.parametrize("output_name", ["probabilities", "sigmoid_0.tmp_0"])
def test_every_level_is_normalised_to_the_bit(output_name: str) -> None:
    spec = DetectorSpec(output_name=output_name)
    graph = engine_graph(first_channel(output_name=output_name), spec)
    ends = (*graph.graph.input, *graph.graph.output)
    assert [value.name for value in ends] == ["pixels", "probabilities"]
    shapes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in ends
    ]
    assert shapes == [["N", "H", "W", 3], ["N", 1, "H", "W"]]
    assert (
        DetectorSpec.from_metadata(
            {entry.key: entry.value for entry in graph.metadata_props}, "test"
        )
        == spec
    )
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 8, 32, 3)
    (found,) = cpu_session(graph).run(["probabilities"], {"pixels": pixels})
    expected = normalize_image(pixels[0], spec.scale, spec.mean, spec.std)
    np.testing.assert_array_equal(found[0, 0], expected[..., 0])


def test_other_ends_and_taken_names_are_refused() -> None:
    with pytest.raises(ArtifactError, match="not the detector that its spec describes"):
        engine_graph(first_channel(input_name="image"), DetectorSpec())
    with pytest.raises(ArtifactError, match="names a tensor of its own 'pixels'"):
        engine_graph(first_channel(between="pixels"), DetectorSpec())
