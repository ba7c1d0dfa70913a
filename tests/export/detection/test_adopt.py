"""Detectors that were exported elsewhere: PaddleOCR's folders and ready ONNX files."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from export.adoption import task_of_model
from export.commands import adopt as command
from export.conversion.model_file import read_model
from export.detection.adopt import adopt
from export.detection.inference_yml import inference_yml
from export.detection.told import Told
from runtime.detection.boxes import BoxOptions
from runtime.detection.model.spec_of_model import DEFAULT_BOXES, DEFAULT_SIZES
from runtime.detection.preprocess import SizePolicy
from runtime.detection.session import open_session
from runtime.detection.spec import DetectorSpec
from runtime.errors import ArtifactError, ConfigError

SMALL = Told(limit_side_len=64, limit_type="max")
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def write_toy(
    path: Path,
    end: Sequence[str] = ("Sigmoid",),
    sizes: Sequence[int | str] = ("H", "W"),
    half: bool = False,
    metadata: dict[str, str] | None = None,
    denormal: bool = False,
) -> Path:
    """A network that marks what is dark: a 3 x 3 mean, turned, and what `end` says."""
    dtype = np.float16 if half else np.float32
    kernel = np.full((1, 3, 3, 3), -0.3, dtype)
    if denormal:
        kernel[0, 0, 0] = 1e-39
    weights = [numpy_helper.from_array(kernel, "kernel")]
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["t0"], pads=[1, 1, 1, 1])]
    for index, operator in enumerate(end):
        options: dict[str, Any] = {"axes": [1]} if operator == "Squeeze" else {}
        nodes.append(helper.make_node(operator, [f"t{index}"], [f"t{index + 1}"], **options))
    is_flat = "Squeeze" in end
    kind = HALF if half else FLOAT
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("image", kind, ["N", 3, *sizes])],
        [
            helper.make_tensor_value_info(
                f"t{len(end)}", kind, ["N", *([] if is_flat else [1]), *sizes]
            )
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, []),
        ({"end": ("Sigmoid", "Squeeze")}, ["output turned from [N, H, W] to [N, 1, H, W]"]),
        ({"end": ("Identity",)}, ["logits made probabilities"]),
        (
            {"half": True},
            ["input cast from float32 to float16", "output cast from float16 to float32"],
        ),
        ({"denormal": True}, ["3 denormal weights set to 0"]),
    ],
    ids=["as it is", "flat", "logits", "half", "denormal"],
)
def test_an_onnx_file_gets_this_projects_ends(
    tmp_path: Path, options: dict[str, Any], changed: list[str]
) -> None:
    source = write_toy(tmp_path / "rapid.onnx", **options)
    result = adopt(source, tmp_path / "out" / "det.onnx", told=SMALL)
    assert result["changed"] == changed
    found = read_model(tmp_path / "out" / "det.onnx")
    spec = found.spec
    assert isinstance(spec, DetectorSpec) and spec.boxes == DEFAULT_BOXES
    assert spec.sizes == SizePolicy(64, "max") and spec.provenance["told"]["limit_side_len"] == 64
    page = np.full((32, 64, 3), 255, np.uint8)
    page[8:24, 8:56] = 0
    ours, theirs = (
        open_session(path, device="cpu") for path in (tmp_path / "out" / "det.onnx", source)
    )
    tolerance = 1e-3 if "half" in options else 1e-6
    np.testing.assert_allclose(ours.maps([page]), theirs.maps([page]), rtol=0, atol=tolerance)
    assert ours.maps([page])[0, 16, 32] > 0.5 > ours.maps([page])[0, 2, 2]


def test_a_fixed_size_is_written_into_the_spec(tmp_path: Path) -> None:
    target = tmp_path / "det.onnx"
    adopt(write_toy(tmp_path / "a.onnx", sizes=(64, 96)), target)
    assert read_model(target).spec.sizes == SizePolicy(image_shape=(64, 96))  # type: ignore[attr-defined]
    adopt(write_toy(tmp_path / "b.onnx", sizes=(64, "W")), target)
    sizes = read_model(target).spec.sizes  # type: ignore[attr-defined]
    assert sizes == SizePolicy(image_shape=(64, 64), keep_ratio=True)
    with pytest.raises(ArtifactError, match="width alone is fixed"):
        adopt(write_toy(tmp_path / "c.onnx", sizes=("H", 96)), target)


def test_a_file_that_describes_itself_is_adopted_to_say_otherwise(tmp_path: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    adopt(write_toy(tmp_path / "a.onnx"), first, told=SMALL)
    with pytest.raises(ArtifactError, match="nothing to adopt"):
        adopt(first, second)
    adopt(first, second, told=Told(thresh=0.2, mean=(0.5,), std=(0.1, 0.2, 0.3)))
    spec = read_model(second).spec
    assert isinstance(spec, DetectorSpec) and spec.sizes == SizePolicy(64, "max")
    assert spec.boxes.thresh == 0.2 and spec.mean == (0.5,) * 3 and spec.std == (0.1, 0.2, 0.3)
    with pytest.raises(ConfigError, match="thresh: expected a number from 0 to 1"):
        adopt(first, second, told=Told(thresh=2.0))
    with pytest.raises(ConfigError, match=r"expected the name of an .onnx file"):
        adopt(first, tmp_path / "second.plan")


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        (SizePolicy(96, "max", resize_long=96), "PP-OCRv5_mobile_det"),
        (SizePolicy(64, "min", resize_long=64), "PP-OCRv6_small_det"),
        (SizePolicy(image_shape=(64, 96)), "PP-OCRv5_mobile_det"),
    ],
)
def test_inference_yml_says_what_a_spec_does(tmp_path: Path, sizes: SizePolicy, name: str) -> None:
    source = write_toy(tmp_path / "model.onnx")
    boxes = BoxOptions(0.25, 0.55, 500, 1.7, True, "slow", "poly")
    spec = DetectorSpec(sizes=sizes, boxes=boxes, color_order="RGB", mean=(0.1, 0.2, 0.3))
    text = inference_yml(spec)
    assert yaml.safe_load(text)["Global"]["model_name"] == name
    (tmp_path / "inference.yml").write_text(text)
    adopt(source, tmp_path / "out" / "det.onnx", told=Told(box_type="quad"))
    found = read_model(tmp_path / "out" / "det.onnx").spec
    assert isinstance(found, DetectorSpec)
    assert found.sizes == SizePolicy(**{**vars(sizes), "image_shape": found.sizes.image_shape})
    assert (found.mean, found.std, found.color_order) == (spec.mean, spec.std, "RGB")
    assert found.boxes == BoxOptions(0.25, 0.55, 500, 1.7, True, "slow", "quad")


def test_a_name_by_which_paddlex_limits_the_other_side_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inference_yml(DetectorSpec(sizes=SizePolicy(736, "min")), "PP-OCRv4_mobile_det")
    assert "PaddleX limits the longer side of its pages, the config the shorter" in caplog.text
    caplog.clear()
    inference_yml(DetectorSpec(sizes=SizePolicy(960, "max")), "PP-OCRv4_mobile_det")
    assert not caplog.text


def test_paddleocrs_folder_is_converted_and_proven(
    det_exported: Any, pages: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "PP-OCRv9_det"
    shutil.copytree(Path(det_exported[1]["inference"]), folder)
    assert task_of_model(folder) == "det"
    result = adopt(folder, tmp_path / "det.onnx", images=pages)
    assert result["parity"]["num_equal"] == result["parity"]["num_samples"] == 6
    ours, theirs = (
        read_model(path).spec for path in (tmp_path / "det.onnx", Path(det_exported[1]["onnx"]))
    )
    assert isinstance(ours, DetectorSpec) and isinstance(theirs, DetectorSpec)
    assert ours.boxes == theirs.boxes and ours.mean == theirs.mean
    assert ours.sizes.limit_side_len == theirs.sizes.limit_side_len
    (folder / "inference.yml").unlink()
    assert task_of_model(folder) == "rec", "nothing tells"


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_command_tells_the_task_by_the_ends(tmp_path: Path) -> None:
    source, target = write_toy(tmp_path / "rapid.onnx"), tmp_path / "det.onnx"
    flags = ["--limit-side-len", "64", "--limit-type", "max", "--mean", "0.5", "--no-use-dilation"]
    result = command.run(parsed(str(source), "--output", str(target), *flags))
    assert result["boxes"] == vars(DEFAULT_BOXES) and result["sizes"]["limit_type"] == "max"
    assert read_model(target).spec.mean == (0.5, 0.5, 0.5)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"--blank: .* of the task det, which has no such"):
        command.run(parsed(str(source), "--output", str(target), "--blank", "last"))
    with pytest.raises(ConfigError, match=r"--thresh: .* of the task rec"):
        wrong = ["--task", "rec", "--thresh", "0.2"]
        command.run(parsed(str(source), "--output", str(target), *wrong))


def test_settings_that_are_not_told_are_paddleocrs(tmp_path: Path) -> None:
    target = tmp_path / "det.onnx"
    adopt(write_toy(tmp_path / "a.onnx", end=("Sigmoid",)), target)
    spec = read_model(target).spec
    assert isinstance(spec, DetectorSpec)
    assert spec.sizes == DEFAULT_SIZES and spec.boxes == DEFAULT_BOXES
