"""Pages in, text out: exact, in order, and the same whatever runs beside."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import runtime
from runtime.detection.detector import Detector
from runtime.detection.session import open_session as open_detection
from runtime.errors import EngineError, OcrError
from runtime.images.sources import NamedImage
from runtime.pages.reader import PageReader
from runtime.pages.result import PageText
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.session import open_session as open_recognition

Paths = tuple[Path, Path]


@pytest.fixture
def paths(detector_path: Path, recognizer_path: Path) -> Paths:
    """Detector and recogniser, as `PageReader` takes them."""
    return detector_path, recognizer_path


def bars(seed: int, height: int = 320, width: int = 400) -> Any:
    """A page of bright bars, whose colours are read as text."""
    rng = np.random.default_rng(seed)
    page = np.zeros((height, width, 3), dtype=np.uint8)
    for top in range(10, height - 40, 50):
        length = int(rng.integers(100, width - 20))
        colors = rng.integers(160, 256, (1, length // 20 + 1, 3), dtype=np.uint8)
        page[top : top + 24, 10 : 10 + length] = np.repeat(colors, 20, axis=1)[:, :length]
    return page


def read(paths: Paths, pages: list[Any], **options: Any) -> list[PageText]:
    with PageReader(*paths, device="cpu", **options) as reader:
        return reader(pages)


def test_lines_are_found_read_and_located(paths: Paths) -> None:
    (page,) = read(paths, [bars(1)])
    assert (page.width_px, page.height_px, page.error) == (400, 320, None)
    assert len(page.lines) == 6 and abs(page.angle) < 1
    assert page.text and all(line.text for line in page.lines)
    for line in page.lines:
        (left, top), (right, _), (_, bottom), _ = line.points
        assert left < right and top < bottom and line.score > 0.6
        assert "".join(word.text for word in line.words) == line.text.replace(" ", "")
        for word in line.words:
            assert left - 1 <= word.points[0][0] < word.points[1][0] <= right + 1


def test_a_page_does_not_depend_on_others_or_on_threads(paths: Paths) -> None:
    pages = [bars(seed) for seed in range(8)]
    alone = [read(paths, [page], threads=1)[0] for page in pages[:3]]
    assert read(paths, pages, threads=1)[:3] == alone
    assert read(paths, pages, threads=4)[:3] == alone
    assert read(paths, pages[2::-1], threads=3) == alone[::-1]


def test_threads_share_a_reader(paths: Paths) -> None:
    pages = [bars(seed) for seed in range(4)]
    expected = read(paths, pages, threads=1)
    results: list[list[PageText]] = []
    with PageReader(*paths, device="cpu", threads=2) as reader:
        threads = [
            threading.Thread(target=lambda: results.append(list(reader.stream(pages))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [expected] * 4


def test_a_page_that_fails_is_a_result(paths: Paths) -> None:
    damaged = NamedImage("scan.png", b"\x89PNG\r\n\x1a\n damaged")
    first, failed, last = read(paths, [bars(1), damaged, bars(1)])
    assert failed.error and failed.source == "scan.png" and failed.lines == ()
    assert first == last and first.error is None


def test_an_error_of_the_way_is_the_pages_own(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr("runtime.pages.reader.in_order", fail)
    (page,) = read(paths, [bars(1)])
    assert page.error == "cannot be read: RuntimeError: unforeseen"


def test_an_engine_that_fails_ends_the_stream(paths: Paths) -> None:
    reader = PageReader(*paths, device="cpu")
    reader.close()
    with pytest.raises(EngineError):
        reader([bars(1)])


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (31, 33)], ids=str)
@pytest.mark.parametrize("level", [0, 255])
def test_pages_without_room_for_text_are_read(
    paths: Paths, size: tuple[int, int], level: int
) -> None:
    (page,) = read(paths, [np.full((*size, 3), level, dtype=np.uint8)])
    assert page.error is None and (page.height_px, page.width_px) == size


def test_a_page_too_large_is_refused(paths: Paths) -> None:
    (page,) = read(paths, [bars(1)], max_pixels=1000)
    assert page.error and "1000" in page.error


def test_lines_read_with_doubt_are_marked_and_kept(paths: Paths) -> None:
    (sure,), (unsure,) = (read(paths, [bars(1)], min_confidence=least) for least in (0.0, 1.0))
    assert [line.text for line in sure.lines] == [line.text for line in unsure.lines]
    assert not any(line.is_unsure for line in sure.lines)
    assert all(line.is_unsure == (line.confidence < 1) for line in unsure.lines)


def test_what_was_open_stays_open(paths: Paths) -> None:
    with (
        Detector(paths[0], device="cpu", threads=1) as detector,
        Recognizer(paths[1], device="cpu", threads=1) as recognizer,
    ):
        with PageReader(detector, recognizer) as reader:
            expected = reader([bars(1)])
        assert detector([bars(1)])[0].boxes and recognizer([bars(1)])[0].error is None
    sessions = open_detection(paths[0], "cpu", 1), open_recognition(paths[1], None, "cpu", 1)
    with PageReader(*sessions) as reader:
        assert reader([bars(1)]) == expected


def test_impossible_arguments_are_refused(paths: Paths) -> None:
    with pytest.raises(OcrError, match="expected 0 to 1, got 2"):
        PageReader(*paths, device="cpu", min_confidence=2)
    with pytest.raises(OcrError, match="model of type int"):
        PageReader(paths[0], 5, device="cpu")  # type: ignore[arg-type]
    with PageReader(*paths, device="cpu") as reader, pytest.raises(OcrError, match="several"):
        reader(bars(1))


def test_the_package_hands_it_out() -> None:
    assert runtime.PageReader is PageReader and runtime.PageText is PageText


@pytest.fixture(scope="module")
def real_reader() -> Any:
    """RapidOCR's models, which find and read real text."""
    pytest.importorskip("onnxruntime", reason="the models run in it")
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:
        pytest.skip("rapidocr is not installed: its models are read with")
    models = Path(found.origin).parent / "models"
    paths = models / "PP-OCRv6_det_small.onnx", models / "PP-OCRv6_rec_small.onnx"
    if not all(path.exists() for path in paths):
        pytest.skip(f"no PP-OCRv6 models in {models}")
    with PageReader(*paths, device="cpu", threads=1) as reader:
        yield reader


TEXTS = ["Reading of whole pages", "turned and skewed", "Total 1234.50"]


def printed(texts: list[str], height: int = 300, width: int = 620) -> Any:
    page = np.full((height, width, 3), 255, dtype=np.uint8)
    for number, text in enumerate(texts):
        place = (60, 80 + 70 * number)
        cv2.putText(page, text, place, cv2.FONT_HERSHEY_SIMPLEX, 1.1, (0, 0, 0), 2, cv2.LINE_AA)
    return page


def turned_by(page: Any, degrees: float) -> Any:
    """Turn a page clockwise, the new corners white."""
    height, width = page.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    new = int(width * cosine + height * sine), int(width * sine + height * cosine)
    matrix[:, 2] += (new[0] - width) / 2, (new[1] - height) / 2
    return cv2.warpAffine(page, matrix, new, flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 12, -12, 98])
def test_a_page_reads_the_same_whichever_side_is_up(real_reader: Any, degrees: int) -> None:
    (page,) = real_reader([turned_by(printed(TEXTS), degrees)])
    assert sorted(line.text for line in page.lines) == sorted(TEXTS)
    assert (page.angle + degrees + 180) % 360 - 180 == pytest.approx(0, abs=1.5)
    assert not any(line.is_turned for line in page.lines)


def test_a_line_upside_down_is_read_and_said(real_reader: Any) -> None:
    page = printed(TEXTS)
    page[165:250, 40:] = page[165:250, 40:][::-1, ::-1]
    (found,) = real_reader([page])
    assert {line.text: line.is_turned for line in found.lines} == {
        TEXTS[0]: False,
        TEXTS[1]: False,
        TEXTS[2]: True,
    }
