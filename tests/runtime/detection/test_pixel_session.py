"""Graphs that normalise pixels themselves, and engines that take some sizes only."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from runtime.detection.detector import Detector
from runtime.detection.pixel_session import PixelSession
from runtime.detection.session import DetectionSession, open_session
from runtime.detection.sizes import SizeRange
from runtime.detection.spec import DetectorSpec
from runtime.engines.onnxruntime import OnnxRuntimeEngine
from runtime.engines.tensorrt.profiles import parts_of
from runtime.engines.tensors import Part, ShapeRange
from runtime.errors import ArtifactError, EngineError
from tests.runtime.detection.conftest import STEEPNESS, page_of, toy_spec

pytest.importorskip("onnxruntime", reason="the graph runs in it")

BAR = page_of(64, 96, [(10, 20, 60, 40)])


def write_graph(
    path: Path,
    spec: DetectorSpec | None,
    shape: Sequence[int | str] = ("N", "H", "W", 3),
    output: str = "probabilities",
    keeps_size: bool = True,
) -> Path:
    """A graph as an engine is built of: uint8 pixels in, how bright they are out."""
    constants: dict[str, NDArray[Any]] = {
        "weights": np.full((1, 3, 1, 1), STEEPNESS / 3 / 255, dtype=np.float32),
        "bias": np.array([-0.5 * STEEPNESS], dtype=np.float32),
    }
    last = helper.make_node("Sigmoid", ["logits"], [output])
    if not keeps_size:
        last = helper.make_node("GlobalMaxPool", ["logits"], [output])
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["levels"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["levels"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "weights", "bias"], ["logits"]),
            last,
        ],
        "detector_engine",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, list(shape))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 1, "h", "w"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, spec.to_metadata() if spec else {})
    onnx.save(model, path)
    return path


@pytest.fixture
def graph_path(tmp_path: Path) -> Path:
    return write_graph(tmp_path / "engine.onnx", toy_spec())


class Limited(OnnxRuntimeEngine):
    """An engine that takes what its profiles say, as TensorRT does."""

    batches: list[tuple[int, ...]]

    def parts(self, count: int, sizes: Any) -> list[Part]:
        return parts_of(count, sizes, self.profiles, str(self.path))

    def run_filled(self, shapes: Any, fill: Any) -> dict[str, Any]:
        self.batches.append(shapes["pixels"])
        return super().run_filled(shapes, fill)


def limited(path: Path, *ranges: ShapeRange) -> Limited:
    engine = Limited(path, "cpu")
    engine.profiles = [{"pixels": shapes} for shapes in ranges]
    engine.samples_at_once, engine.batches = max(shapes.max[0] for shapes in ranges), []
    return engine


def test_it_finds_what_the_network_does(graph_path: Path, detector_path: Path) -> None:
    page = np.random.default_rng(2).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    with closing(open_session(graph_path, "cpu")) as session:
        assert isinstance(session, PixelSession) and isinstance(session, DetectionSession)
        found = session.maps([page, BAR])
    with closing(open_session(detector_path, "cpu")) as session:
        assert np.abs(session.maps([page, BAR]) - found).max() < 1e-4
    with Detector(graph_path, device="cpu") as graph, Detector(detector_path) as network:
        assert [box.points for box in graph([BAR])[0].boxes] == [
            box.points for box in network([BAR])[0].boxes
        ]


def test_pages_run_within_the_profiles(graph_path: Path) -> None:
    engine = limited(
        graph_path,
        ShapeRange((1, 32, 32, 3), (4, 64, 64, 3), (4, 64, 128, 3)),
        ShapeRange((2, 128, 128, 3), (2, 128, 128, 3), (2, 256, 256, 3)),
    )
    session = PixelSession(engine)
    assert session.size_ranges == (SizeRange(32, 64, 32, 128), SizeRange(128, 256, 128, 256))
    assert session.maps([BAR] * 7).shape == (7, 64, 96)
    assert [shape[0] for shape in engine.batches] == [4, 4], "three are filled up to four"
    engine.batches.clear()
    large = np.repeat(np.repeat(BAR, 8, axis=0), 8, axis=1)
    with Detector(session, threads=2) as detector:
        results = detector([BAR, large, BAR])
    # The range that keeps most of 512 x 768 px.
    assert (results[1].input_height_px, results[1].input_width_px) == (160, 256)
    assert "shrunk: 768 x 512 px wanted as input, the model takes 256 x 160 px" in str(
        results[1].warnings
    )
    assert {shape[1:3] for shape in engine.batches} == {(64, 96), (160, 256)}
    assert results[0].boxes == results[2].boxes != () and len(results[1].boxes) == 1


def test_sizes_of_no_profile_are_refused(graph_path: Path) -> None:
    session = PixelSession(limited(graph_path, ShapeRange(*[(1, 32, 32, 3)] * 3)))
    with pytest.raises(EngineError, match=r"no optimisation profile takes samples of pixels \[64"):
        session.maps([BAR])
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.maps([page_of(32, 32, [])])


def test_fixed_sizes_need_no_profile(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "fixed.onnx", toy_spec(), (1, 64, 96, 3))
    with closing(open_session(path, "cpu")) as session:
        assert session.size_ranges == (SizeRange(64, 64, 96, 96),)


def test_colours_come_in_the_order_of_the_spec(tmp_path: Path) -> None:
    seen: list[Any] = []
    path = write_graph(tmp_path / "rgb.onnx", replace(toy_spec(), color_order="RGB"))
    engine = limited(path, ShapeRange(*[(1, 64, 96, 3)] * 3))
    session = PixelSession(engine)
    blue = np.zeros((64, 96, 3), dtype=np.uint8)
    blue[..., 0] = 255
    maps = session.maps
    session.maps = lambda images: (seen.extend(images), maps(images))[1]  # type: ignore[method-assign]
    with Detector(session) as detector:
        detector([blue])
    assert seen[0][0, 0].tolist() == [0, 0, 255]


def test_what_is_no_engine_graph_is_refused(tmp_path: Path) -> None:
    for options in ({"spec": None}, {"spec": toy_spec(), "output": "map"}):
        path = write_graph(tmp_path / "wrong.onnx", **options)  # type: ignore[arg-type]
        with pytest.raises(ArtifactError, match="no detector's engine graph"):
            open_session(path, "cpu")
    path = write_graph(tmp_path / "wrong.onnx", toy_spec(), keeps_size=False)
    with closing(open_session(path, "cpu")) as session, pytest.raises(EngineError, match="build"):
        session.maps([BAR])
