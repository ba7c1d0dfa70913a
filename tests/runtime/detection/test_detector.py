"""Pages in, boxes out: exact, in order, and the same whatever runs beside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import runtime
from runtime.detection.boxes import BoxOptions, find_boxes
from runtime.detection.detector import Detector
from runtime.detection.preprocess import SizePolicy
from runtime.detection.result import Detection, TextBox
from runtime.detection.session import open_session
from runtime.errors import ArtifactError, EngineError, ImageError, OcrError
from runtime.images.sources import NamedImage
from tests.runtime.detection.conftest import ToyDetector, page_of, toy_spec

pytest.importorskip("onnxruntime", reason="the toy detector runs in it")

Page = NDArray[np.uint8]
BAR = page_of(64, 96, [(10, 20, 60, 40)])


def detect(model: Path, images: list[Any], **options: Any) -> list[Detection]:
    with Detector(model, device="cpu", **options) as detector:
        return detector(images)


def test_a_bar_is_found_where_it_is(detector_path: Path) -> None:
    (found,) = detect(detector_path, [BAR])
    # 49 x 19 px between the outer pixels: 1.5 * 931 / 136 = 10.3 px further out.
    assert found.boxes == (TextBox(((0, 10), (69, 10), (69, 49), (0, 49)), pytest.approx(1.0)),)
    assert all(isinstance(value, int) for point in found.boxes[0].points for value in point)
    assert (found.width_px, found.height_px) == (96, 64)
    assert (found.input_width_px, found.input_height_px) == (96, 64)
    assert found.error is None and found.source is None and found.warnings == ()


def test_boxes_are_in_px_of_the_image(detector_path: Path) -> None:
    bar = page_of(128, 192, [(20, 40, 120, 80)])
    (found,) = detect(detector_path, [bar], sizes=SizePolicy(image_shape=(64, 96)))
    ((left, top), _, (right, bottom), _) = found.boxes[0].points
    assert (left, top, right, bottom) == (0, 20, 138, 98)
    assert (found.input_width_px, found.input_height_px) == (96, 64)


def test_options_count_before_the_models(detector_path: Path) -> None:
    options = BoxOptions(box_thresh=0.6, unclip_ratio=0.5)
    (found,) = detect(detector_path, [BAR], boxes=options)
    assert found.boxes[0].points[0] == (7, 17)
    assert (
        detect(detector_path, [BAR], boxes=BoxOptions(box_thresh=1.0, thresh=0.9))[0].error is None
    )


def test_polygons_have_as_many_corners_as_they_need(detector_path: Path) -> None:
    pytest.importorskip("pyclipper", reason="polygons are moved outwards by it")
    page = page_of(64, 96, [(10, 10, 60, 20), (10, 10, 20, 40)])
    (found,) = detect(detector_path, [page], boxes=BoxOptions(box_type="poly", unclip_ratio=1.0))
    (box,) = found.boxes
    assert len(box.points) > 5
    assert all(0 <= x <= 96 and 0 <= y <= 64 for x, y in box.points)


def test_pages_are_found_as_by_hand(detector_path: Path, pages: list[Page]) -> None:
    results = detect(detector_path, pages)
    assert [(result.height_px, result.width_px) for result in results] == [
        page.shape[:2] for page in pages
    ]
    assert sum(bool(result.boxes) for result in results) > 10
    with closing(open_session(detector_path, "cpu")) as session:
        for page, result in zip(pages, results, strict=True):
            height, width = result.input_height_px, result.input_width_px
            pixels = cv2.resize(page, (width, height)).astype(np.uint8)
            if sum(page.shape[:2]) < 64:
                continue
            expected = find_boxes(session.maps([pixels])[0], page.shape[:2], toy_spec().boxes)
            assert [np.array(box.points).tolist() for box in result.boxes] == [
                points.tolist() for points in expected.points
            ]
            assert [box.score for box in result.boxes] == expected.scores


def test_small_images_have_their_boxes_right(detector_path: Path) -> None:
    (found,) = detect(detector_path, [page_of(16, 40, [(4, 4, 36, 12)])])
    ((left, top), _, (right, bottom), _) = found.boxes[0].points
    assert (left, top, right, bottom) == (0, 0, 40, 15)
    assert found.height_px == 16 and found.input_height_px == 32


@pytest.mark.parametrize("threads", [1, 3])
def test_nothing_depends_on_threads_or_neighbours(
    detector_path: Path, pages: list[Page], threads: int
) -> None:
    alone = [detect(detector_path, [page], threads=1)[0] for page in pages]
    assert detect(detector_path, pages, threads=threads) == alone
    assert detect(detector_path, pages[::-1], threads=threads) == alone[::-1]


def test_threads_may_share_a_detector(detector_path: Path, pages: list[Page]) -> None:
    with Detector(detector_path, device="cpu", threads=2) as detector:
        expected = detector(pages)
        found: dict[int, list[Detection]] = {}

        def work(number: int) -> None:
            found[number] = detector(pages)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert [found[number] for number in range(5)] == [expected] * 5


def test_batches_find_what_single_pages_do(
    detector_path: Path, pages: list[Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session(detector_path, "cpu")
    expected = detect(detector_path, pages)
    # As on a GPU, where more pages at once are better.
    monkeypatch.setattr(session, "images_at_once", None)
    with Detector(session, batch_size=3, threads=2) as detector:
        assert detector(pages) == expected
        assert detector(pages * 3) == expected * 3


def test_single_pages_keep_a_gpu_busy(
    detector_path: Path, pages: list[Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = detect(detector_path, pages)
    session = open_session(detector_path, "cpu")
    monkeypatch.setattr(session, "is_on_cpu", False)
    seen: set[int] = set()
    maps = session.maps
    monkeypatch.setattr(
        session, "maps", lambda some: (seen.add(threading.get_ident()), maps(some))[1]
    )
    with Detector(session, threads=3) as detector:
        assert detector(pages) == expected
    assert len(seen) > 1, "one lane, but more threads that read and trace"


def test_a_bad_image_is_its_own_result(
    detector_path: Path, tmp_path: Path, pages: list[Page]
) -> None:
    cut = bytes(cv2.imencode(".png", pages[0])[1])[:100]
    bad = [tmp_path / "none.png", NamedImage("cut", cut), b"", np.zeros((0, 4, 3), np.uint8)]
    results = detect(detector_path, [pages[0], *bad, pages[1]], threads=2)
    assert [result.error is None for result in results] == [True, *[False] * 4, True]
    assert "no such file" in str(results[1].error) and results[1].source == str(bad[0])
    assert results[2].source == "cut" and results[2].boxes == ()
    assert results[5] == detect(detector_path, [pages[1]])[0]


def test_a_map_of_nan_costs_its_image_alone(toy_detector: ToyDetector) -> None:
    model = toy_detector(spec=toy_spec(), poison=0.5)
    bright = np.full((64, 64, 3), 255, dtype=np.uint8)
    results = detect(model, [BAR, bright, BAR])
    assert "not finite for an input of 64 x 64 px" in str(results[1].error)
    assert results[0].boxes == results[2].boxes != ()


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_page_that_the_engine_fails_on_costs_itself_alone(
    detector_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    session = open_session(detector_path, "cpu")
    maps, limit = session.maps, 64 * 96

    def limited(images: Any) -> Any:
        if sum(image.shape[0] * image.shape[1] for image in images) > limit:
            raise EngineError("no memory is left on the GPU")
        return maps(images)

    monkeypatch.setattr(session, "maps", limited)
    monkeypatch.setattr(session, "images_at_once", None)
    large = page_of(128, 192, [(20, 40, 120, 80)])
    with Detector(session, batch_size=batch_size, threads=1) as detector:
        results = detector([BAR, large, BAR, BAR])
        assert [result.error for result in results] == [
            None,
            "no memory is left on the GPU",
            None,
            None,
        ]
        assert results[0].boxes == results[3].boxes != ()
        limit = 0
        with pytest.raises(EngineError, match="no memory"):
            detector([BAR])


@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 60_000), (60_000, 2), (3, 5), (40, 1)], ids=lambda one: f"{one}"
)
def test_odd_shapes_are_bounded(toy_detector: ToyDetector, shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 255, dtype=np.uint8)
    with Detector(toy_detector(), device="cpu") as detector:  # PaddleOCR's sizes
        (found,) = detector([image])
    assert found.error is None
    assert max(found.input_height_px, found.input_width_px) <= 4000
    for box in found.boxes:
        assert all(0 <= x <= shape[1] and 0 <= y <= shape[0] for x, y in box.points)


def test_giant_pages_are_made_smaller(toy_detector: ToyDetector) -> None:
    page = np.zeros((4_500, 6_000, 1), dtype=np.uint8)
    page[1500:1650, 1000:4500] = 255
    with Detector(toy_detector(), device="cpu") as detector:
        (found,) = detector([page])
    assert (found.input_height_px, found.input_width_px) == (3008, 4000)
    (box,) = found.boxes
    assert box.points[0][0] < 1000 and box.points[2][0] > 4500
    assert detect(toy_detector(), [page], max_pixels=1000)[0].error


def test_noise_is_bounded(toy_detector: ToyDetector) -> None:
    noise = np.random.default_rng(1).integers(0, 2, (1600, 1600, 1), dtype=np.uint8) * 255
    (found,) = detect(toy_detector(), [noise], boxes=BoxOptions(box_thresh=0.0))
    assert found.error is None and len(found.boxes) <= 1000


def test_a_stream_takes_its_input_as_results_are_taken(detector_path: Path) -> None:
    taken = 0

    def images() -> Iterator[Page]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield BAR

    with Detector(detector_path, device="cpu", threads=2) as detector:
        stream = detector.stream(images())
        next(stream)
        assert taken < 20
        stream.close()  # type: ignore[attr-defined]
        assert detector([BAR])[0].boxes


def test_a_closed_detector_says_so(detector_path: Path) -> None:
    detector = Detector(detector_path, device="cpu")
    detector.close()
    with pytest.raises(EngineError, match="closed"):
        detector([BAR])


def test_what_cannot_be_done_is_said(detector_path: Path) -> None:
    with Detector(detector_path, device="cpu") as detector:
        assert detector.spec == toy_spec() and "onnxruntime" in detector.description
        with pytest.raises(OcrError, match=r"a single ndarray; write detector\(\[image\]\)"):
            detector(BAR)  # type: ignore[arg-type]
    with pytest.raises(OcrError, match="batch size"):
        Detector(detector_path, batch_size=0)
    with pytest.raises(OcrError, match="a model of type int"):
        Detector(3)  # type: ignore[arg-type]


def test_recognisers_and_detectors_refuse_each_other(
    detector_path: Path, toy_detector: ToyDetector, toy_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"is no detector: .*'recognizer_spec'"):
        Detector(toy_path)
    with pytest.raises(ArtifactError, match=r"is no recogniser: .*'detector_spec'"):
        runtime.Recognizer(detector_path)
    with pytest.raises(ArtifactError, match="a recogniser; give a detector"):
        Detector(toy_detector(metadata={"character": "a\nb"}))
    with pytest.raises(ArtifactError, match="not a CTC recogniser"):
        runtime.Recognizer(toy_detector())


def test_the_package_names_them() -> None:
    names = ("Detector", "Detection", "DetectorSpec", "TextBox", "BoxOptions", "SizePolicy")
    assert all(hasattr(runtime, name) and name in runtime.__all__ for name in names)


def test_a_map_can_be_asked_for(detector_path: Path) -> None:
    with Detector(detector_path, device="cpu") as detector:
        assert detector.fitting_size(64, 96) == (64, 96)
        probability = detector.probabilities(BAR)
        found = find_boxes(probability, (64, 96), detector.boxes)
        assert detector([BAR])[0].boxes[0].score == pytest.approx(found.scores[0])
    assert probability.shape == (64, 96)


def test_a_map_that_is_none_is_the_images_own_failure(toy_detector: ToyDetector) -> None:
    path = toy_detector(spec=toy_spec(), poison=0.5)
    bright = np.full((64, 96, 3), 255, dtype=np.uint8)
    with Detector(path, device="cpu") as detector:
        with pytest.raises(ImageError, match="not finite for an input of 96 x 64 px"):
            detector.probabilities(bright)
        assert detector.probabilities(BAR).max() > 0.9


def test_the_fitting_size_keeps_to_the_networks_limits(toy_detector: ToyDetector) -> None:
    path = toy_detector(spec=toy_spec(), input_shape=("N", 3, 64, 96))
    with Detector(path, device="cpu") as detector:
        assert detector.fitting_size(640, 32) == (64, 96)
