"""A detector from its checkpoint to every form, each held against the one before."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import yaml

from export.chain import Source
from export.commands.precision import convert_file
from export.contract import model_contract, opened
from export.conversion.model_file import read_model
from export.conversion.strip import strip
from export.detection.contract import DetectorContract
from export.detection.trained import TrainedDetector
from export.engine.build import build_plan
from export.engine.chain import EngineRequest, build_engine
from export.engine.graph_file import graph_path, write_engine_graph
from export.inspection import described
from export.proof.report import VerifyOptions, verify
from export.quantization import Limits, eight_bit_model
from runtime.detection.boxes import BoxOptions
from runtime.detection.model.inference_yml import read_inference_yml
from runtime.detection.preprocess import SizePolicy
from runtime.detection.session import open_session
from runtime.detection.spec import DetectorSpec
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.tensorrt.library import TensorRtLibrary
from runtime.errors import ArtifactError, ConfigError
from tests.export.detection.conftest import (
    MEAN,
    OPTIONS,
    SECTIONS,
    SIZES,
    STD,
    drawn_pages,
    write_config,
)
from tests.fakes.cuda import FakeCuda
from tests.fakes.tensorrt import fake_tensorrt
from training.config import load_config
from training.plan import read_deployed_plan

NUM_PAGES = 6


@pytest.fixture(scope="module")
def half(
    det_exported: Any, pages: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """The FP16 form and its report."""
    place = tmp_path_factory.mktemp("half") / "student_fp16.onnx"
    return place, convert_file(Path(det_exported[1]["onnx"]), place, pages)


def test_it_is_merged_described_and_proven_on_boxes(det_exported: Any) -> None:
    folder, result = det_exported
    parity = result["parity"]
    assert parity["num_equal"] == parity["num_samples"] == NUM_PAGES
    assert parity["num_equal_decisions"] == parity["num_decisions"] > 80_000
    assert parity["rounding"]["typical"] < 4
    model = onnx.load(result["onnx"])
    shapes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [["N", 3, "H", "W"], ["N", 1, "H", "W"]]
    operators = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in operators and operators.count("ConvTranspose") == 2
    spec, difference = opened(Path(result["onnx"]))
    assert isinstance(spec, DetectorSpec) and not difference
    assert spec.sizes == SIZES and spec.boxes == OPTIONS
    assert (spec.mean, spec.std, spec.color_order) == (MEAN, STD, "BGR")
    assert spec.scale == pytest.approx(1 / 255) and spec.network == "Student"
    told = described(Path(result["onnx"]))
    assert "limit_side_len 160" in told and "box_thresh 0.3" in told
    assert (folder / "triton" / "student" / "1" / "model.onnx").is_file()


def test_paddleocr_reads_the_same_settings_beside_the_program(det_exported: Any) -> None:
    folder, _ = det_exported
    path = folder / "student" / "inference.yml"
    found = read_inference_yml(path, {"sizes": SizePolicy(), "boxes": BoxOptions()})
    assert found["sizes"] == SizePolicy(160, "max", resize_long=160) and found["boxes"] == OPTIONS
    assert (found["mean"], found["std"], found["color_order"]) == (MEAN, STD, "BGR")
    assert yaml.safe_load(path.read_text())["Global"]["model_name"] == "PP-OCRv5_mobile_det"


def test_the_runtime_finds_what_the_proof_compared(det_exported: Any) -> None:
    path = Path(det_exported[1]["onnx"])
    contract = model_contract(read_model(path).spec)
    session = open_session(path, device="cpu", threads=1)
    num_boxes = 0
    for batch in contract.samples(drawn_pages(), "").batches():
        maps = session.maps(batch.pages)  # type: ignore[attr-defined]
        outputs = contract.outputs(maps[:, np.newaxis], len(maps), "test")
        num_boxes += sum(len(reading.polygons) for reading in outputs.readings)
    assert num_boxes == 30, "five on each page"
    session.close()


def test_fp16_finds_the_same_boxes(half: Any, det_exported: Any) -> None:
    path, report = half
    assert report["achieved"] in ("fp16", "mixed")
    assert report["agreement"]["num_equal"] == NUM_PAGES
    assert report["num_half"] > 20
    resizes = [node for node in onnx.load(path).graph.node if node.op_type == "Resize"]
    kept = {entry["node"] for entry in report["kept"]}
    assert resizes and not kept & {node.name for node in resizes}, "nearest is exact in FP16"


def test_forms_are_verified_with_labels(
    half: Any, det_exported: Any, tmp_path: Path, det_config: Any, det_checkpoint: Path
) -> None:
    images = drawn_pages()
    onnx_file = Path(det_exported[1]["onnx"])
    contract = model_contract(read_model(onnx_file).spec)
    session = open_session(onnx_file, device="cpu")
    rows = []
    for number, image in enumerate(images[:3]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
        (batch,) = contract.samples([image], "").batches()
        maps = session.maps(batch.pages)  # type: ignore[attr-defined]
        (reading,) = contract.outputs(maps[:, np.newaxis], 1, "test").readings
        scale = image.shape[0] / batch.pages[0].shape[0]  # type: ignore[attr-defined]
        label = [
            {"transcription": "x", "points": (np.array(points) * scale).tolist()}
            for points in reading.polygons
        ]
        rows.append(f"{number}.png\t{json.dumps(label)}\n")
    session.close()
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(rows))
    options = VerifyOptions(
        [onnx_file, half[0]],
        source=Source(det_config, det_checkpoint, "Student"),
        images=[str(tmp_path)],
        labels=labels,
        picture=tmp_path / "worst.jpg.png",
    )
    verified = verify(options)
    assert verified["passed"] and (tmp_path / "worst.jpg.png").is_file()
    assert [comparison["num_equal"] for comparison in verified["comparisons"]] == [3, 3]
    accuracy = verified["accuracy"]["forms"]
    assert accuracy[str(onnx_file)]["hmean"] == pytest.approx(1.0)
    assert [str(tmp_path / f"{number}.png") for number in range(3)] == list(
        contract.labelled(labels)
    )


def test_an_8_bit_form_is_judged_by_its_boxes(det_exported: Any) -> None:
    source = read_model(Path(det_exported[1]["onnx"]))
    contract = model_contract(source.spec)
    samples = contract.samples(drawn_pages(), "pages")
    made = eight_bit_model(source.model, contract, samples, limits=Limits(1.0, 0.0), is_quiet=True)
    assert made.report.num_eight_bit > 5 and made.spec.task == "det"
    assert made.report.reading.num_samples == NUM_PAGES // 2


@pytest.mark.parametrize("version", ["10.16", "rtx-1.7"])
def test_an_engine_is_built_proven_and_read(
    det_exported: Any,
    pages: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
) -> None:
    cuda = FakeCuda()
    trt = fake_tensorrt(version, cuda)
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    monkeypatch.setattr("runtime.engines.tensorrt.plan.open_cuda", lambda: cuda)
    library = TensorRtLibrary(trt, trt.__name__, trt.__version__)
    path, plan = Path(det_exported[1]["onnx"]), tmp_path / "student.plan"
    # Narrower than some pages and wider than others: both are brought to what the engine takes.
    shapes = {"min": "x:1x3x128x96", "max": "x:2x3x128x160"}
    result = build_engine(
        EngineRequest(path, plan, shapes=shapes, images=pages),
        lambda *build: build_plan(library, *build, cuda),
    )
    proven = result["parity"]["engine"]
    assert json.dumps(result) and proven["num_equal"] == proven["num_samples"] == NUM_PAGES + 1
    sidecar = EngineSidecar.read(plan)
    assert sidecar.task == "det"
    (profile,) = sidecar.profiles
    assert profile["pixels"].min == (1, 128, 96, 3) and profile["pixels"].max == (2, 128, 160, 3)
    session = open_session(plan)
    page = cv2.resize(drawn_pages()[0], (160, 128))
    reference = open_session(path, device="cpu")
    np.testing.assert_allclose(session.maps([page]), reference.maps([page]), atol=1e-5)
    session.close()
    reference.close()
    assert cuda.leaks == []


def test_tensorrt_rtx_builds_it(det_exported: Any, pages: list[str], tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="it is tested here")
    from export.engine import BuildOptions

    plan = tmp_path / "student.plan"
    one_target = BuildOptions(backend="tensorrt-rtx", compute_capabilities=("8.9",))
    shapes = {"max": "x:1x3x160x160"}
    request = EngineRequest(
        Path(det_exported[1]["onnx"]), plan, shapes=shapes, images=pages, options=one_target
    )
    build_engine(request)
    shapes_of = {
        binding.name: (binding.dtype, binding.shape)
        for binding in EngineSidecar.read(plan).bindings
    }
    assert shapes_of == {
        "pixels": ("uint8", (-1, -1, -1, 3)),
        "probabilities": ("float32", (-1, 1, -1, -1)),
    }


def test_the_engine_graph_runs_in_onnxruntime(det_exported: Any, tmp_path: Path) -> None:
    path = Path(det_exported[1]["onnx"])
    graph = write_engine_graph(path, graph_path(tmp_path / "student.onnx"))
    page = cv2.resize(drawn_pages()[1], (128, 160))
    pixels, network = open_session(graph, device="cpu"), open_session(path, device="cpu")
    np.testing.assert_allclose(pixels.maps([page]), network.maps([page]), atol=1e-6)
    with pytest.raises(ArtifactError, match="normalises pixels itself"):
        opened(graph)


def test_auxiliary_heads_and_dilated_branches_do_not_reach_the_user(tmp_path: Path) -> None:
    """PP-OCRv6's tiny network, smaller: its heads for training go, its branches are merged."""
    from tests.export.detection.conftest import write_checkpoint

    sections = {
        **SECTIONS,
        "Architecture": {
            "model_type": "det",
            "algorithm": "DB",
            "Backbone": {"name": "PPLCNetV4", "det": True, "model_size": "tiny"},
            "Neck": {"name": "RepLKFPN", "out_channels": 16, "dilated_kernel_size": 5},
            "Head": {"name": "DBHead", "k": 50, "aux_in_channels": 16},
        },
        "PostProcess": {"name": "DBPostProcess", "thresh": 0.2, "unclip_ratio": 1.4},
    }
    config = write_config(tmp_path, sections)
    checkpoint = write_checkpoint(tmp_path, config, steps=0)
    stripped = strip(read_deployed_plan(config), checkpoint, "Student")
    names = list(stripped.network.state_dict())
    assert any("aux_" in name for name in stripped.parameters)
    assert not any("aux_" in name or "thresh" in name for name in names)
    assert not any("dil_conv" in name for name in names)
    spec = TrainedDetector(read_deployed_plan(config)).spec("Student")
    assert spec.boxes == BoxOptions(thresh=0.2, unclip_ratio=1.4)


def test_what_a_config_cannot_mean_is_said(det_config: Any, tmp_path: Path) -> None:
    contract = TrainedDetector(read_deployed_plan(det_config))
    with pytest.raises(ConfigError, match="sizes follow from the image"):
        contract.spec("Student", 320)
    with pytest.raises(ConfigError, match="no detector's network"):
        contract.check_parameters("Student", {}, "here")
    odd = load_config(det_config.path, ["PostProcess.thresh=7"])
    with pytest.raises(ConfigError, match=r"PostProcess.thresh: expected a number from 0 to 1"):
        TrainedDetector(read_deployed_plan(odd)).spec("Student")
    plain = {name: section for name, section in SECTIONS.items() if name != "PostProcess"}
    spec = TrainedDetector(read_deployed_plan(write_config(tmp_path, plain))).spec("Student")
    assert spec.boxes == BoxOptions()


def test_the_largest_page_is_as_large_as_the_network_takes() -> None:
    contract = DetectorContract(DetectorSpec(sizes=SIZES))
    images, _ = contract.rendered()
    (page,) = contract.extremes(images)
    assert page.shape == (160, 160, 3)
    fixed = DetectorContract(DetectorSpec(sizes=SizePolicy(image_shape=(96, 128))))
    assert fixed.extremes(images) == [] == contract.extremes([])


def test_every_shipped_config_says_how_its_detector_is_fed() -> None:
    configs = sorted(Path("configs/detection").glob("*.yml"))
    assert len(configs) > 10
    for path in configs:
        plan = read_deployed_plan(load_config(path))
        spec = TrainedDetector(plan).spec("Student")
        assert spec.scale == pytest.approx(1 / 255) and len(spec.mean) == 3, path
        assert DetectorSpec.from_metadata(spec.to_metadata(), str(path)) == spec, path
        section = load_config(path).sections["PostProcess"]
        assert spec.boxes.thresh == section["thresh"], path
