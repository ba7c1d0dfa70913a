"""An input for images is told by dtype and shape, for every kind of network alike."""

from __future__ import annotations

import pytest

from runtime.engines.image_input import ImageInput, listed, outputs_named
from runtime.engines.tensors import TensorInfo
from runtime.errors import ArtifactError

PAGES = ImageInput("text detector", "pages", (3,), 64, 64, "give another", {"int8": "unpack it"})
LINES = ImageInput("text recogniser", "lines", (1, 3), 64, 64, "give another", {})


def info(dtype: str, *shape: int | str | None) -> TensorInfo:
    return TensorInfo("x", dtype, shape)


def test_the_one_input_is_found() -> None:
    source = info("float16", "N", 3, None, 32)
    assert PAGES.among([source], "net.onnx") is source
    assert LINES.among([info("float32", None, 1, 32, "W")], "net.onnx").sizes == (None, 1, 32, None)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ([], "not a text detector: expected one input, got none; give another"),
        ([info("int8", 1, 3, 8, 8)], r"input \[N, 3, H, W\], got x int8 .*; unpack it"),
        ([info("uint8", 1, 3, 8, 8)], "it normalises pixels itself"),
        ([info("float32", 1, 3)], "that can be fed: .*; give another"),
        ([info("float32", 1, 1, 8, 8)], r"not an input of pages: expected \[N, 3, H, W\], got C ="),
        ([info("float32", 1, 8, 8, 3)], "export it with channels first"),
        ([info("float32", 1, 3, 65, 8)], "expected H up to 64, got H = 65"),
        ([info("float32", 2000, 3, 8, 8)], "expected N up to 1024"),
    ],
)
def test_what_is_for_something_else_is_refused(tensors: list[TensorInfo], reason: str) -> None:
    with pytest.raises(ArtifactError, match=f"^net.onnx: .*{reason}"):
        PAGES.among(tensors, "net.onnx")


def test_several_numbers_of_channels_are_named() -> None:
    with pytest.raises(ArtifactError, match=r"expected \[N, C, H, W\] with C = 1 or 3, got C = 4"):
        LINES.among([info("float32", 1, 4, 8, 8)], "net.onnx")


def test_the_memory_of_a_fixed_input_is_bounded() -> None:
    wide = ImageInput("text detector", "pages", (3,), 2**14, 2**14, "give another", {})
    with pytest.raises(ArtifactError, match="its fixed input takes 3221225472 bytes"):
        wide.among([info("float32", 1, 3, 2**14, 2**14)], "net.onnx")


def test_outputs_by_name() -> None:
    outputs = [TensorInfo(name, "float32", ("N",)) for name in "abcdef"]
    assert outputs_named(outputs, None, "net.onnx", "") == outputs
    assert outputs_named(outputs, "b", "net.onnx", "") == [outputs[1]]
    with pytest.raises(ArtifactError, match=r"name expected, z: .* and 2 more; ask"):
        outputs_named(outputs, "z", "net.onnx", "ask")
    assert listed([]) == "none"
