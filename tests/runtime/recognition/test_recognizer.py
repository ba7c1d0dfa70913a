from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from runtime import ArtifactError, EngineError, OcrError, Recognition, Recognizer, RecognizerSpec
from runtime.batching import LOOK_AHEAD_BATCHES
from runtime.images.sources import NamedImage

Lines = list[NDArray[np.uint8]]


class EchoSession:
    """Reads one character per line: class 1 for a dark line, 2 for a light one."""

    description = "echo"
    num_lanes, lines_at_once = 1, None

    def __init__(self, spec: RecognizerSpec) -> None:
        self.spec = spec
        self.shapes: list[tuple[int, ...]] = []
        self.is_closed = False

    def read(self, lines: Lines, width_px: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        assert all(line.shape[1] <= width_px for line in lines)
        self.shapes.append((len(lines), width_px))
        indices = np.zeros((len(lines), 3), dtype=np.int64)
        indices[:, 1] = [1 + (line[0, 0, 0] > 127) for line in lines]
        return indices, np.full(indices.shape, 0.5, dtype=np.float32)

    def close(self) -> None:
        self.is_closed = True


def test_a_batch_reads_as_its_lines_do_alone(toy_path: Path, line_images: Lines) -> None:
    pytest.importorskip("onnxruntime")
    with Recognizer(toy_path, batch_size=1, threads=1) as alone:
        expected = alone(line_images)
    assert len({result.text for result in expected}) > 10, "the toy network must tell lines apart"
    assert len({result.input_width_px for result in expected}) > 3
    for batch_size in (2, 5, 64):
        with Recognizer(toy_path, batch_size=batch_size, threads=1) as together:
            got = together(line_images)
        for one, wanted in zip(got, expected, strict=True):
            assert (one.text, one.time_steps) == (wanted.text, wanted.time_steps)
            assert one.confidence == pytest.approx(wanted.confidence, abs=1e-6)
            assert one.character_confidences == pytest.approx(
                wanted.character_confidences, abs=1e-6
            )


def test_a_few_lines_are_read_in_the_calling_thread(
    toy_path: Path, line_images: Lines, spec: RecognizerSpec
) -> None:
    pytest.importorskip("onnxruntime")
    with Recognizer(toy_path, threads=1) as recognizer:
        images = [line_images[0], b"damaged", *line_images[1:]]
        assert recognizer.read_here(images) == recognizer(images)
        assert recognizer.read_here([]) == []
    session = EchoSession(spec)
    with Recognizer(session, batch_size=3) as recognizer:
        recognizer.read_here(line_images)
    assert max(number for number, _ in session.shapes) == 3


@pytest.mark.parametrize("model", [b"onnx", bytearray(b"x"), 7, ["a.onnx"], object(), np.zeros(3)])
def test_a_model_of_another_type_is_refused_with_the_way(model: Any) -> None:
    told = rf"model of type {type(model).__name__}: expected the path .*Recognizer\('model.onnx'\)"
    with pytest.raises(OcrError, match=told):
        Recognizer(model)


def test_a_bare_session_of_onnxruntime_is_refused(toy_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session: Any = onnxruntime.InferenceSession(str(toy_path), providers=["CPUExecutionProvider"])
    with pytest.raises(OcrError, match="model of type InferenceSession: expected the path"):
        Recognizer(session)


def test_order_and_neighbours_do_not_matter(toy_path: Path, line_images: Lines) -> None:
    pytest.importorskip("onnxruntime")
    with Recognizer(toy_path, batch_size=8) as recognizer:
        forwards = [result.text for result in recognizer(line_images)]
        backwards = [result.text for result in recognizer(line_images[::-1])]
    assert forwards == backwards[::-1]


def test_what_a_recognition_says(spec: RecognizerSpec, tmp_path: Path) -> None:
    path = tmp_path / "line.png"
    cv2.imwrite(str(path), np.full((20, 50, 3), 255, dtype=np.uint8))
    (one,) = Recognizer(EchoSession(spec))([path])
    assert one == Recognition(
        text="b",
        confidence=0.5,
        characters=("b",),
        character_confidences=(0.5,),
        time_steps=(1,),
        source=str(path),
        width_px=50,
        height_px=20,
        input_width_px=96,
        content_width_px=80,
        num_time_steps=3,
        last_time_steps=(1,),
    )


def test_one_bad_image_does_not_stop_the_others(spec: RecognizerSpec, tmp_path: Path) -> None:
    bad: list[object] = [str(tmp_path / "none.png"), b"", np.zeros((2, 2), np.float32), 5]
    light, dark = np.full((9, 30), 255, np.uint8), np.zeros((9, 30), np.uint8)
    results = Recognizer(EchoSession(spec), batch_size=2)([light, *bad, dark])  # type: ignore[list-item]
    assert [result.text for result in results] == ["b", "", "", "", "", "a"]
    assert [result.error is None for result in results] == [True, False, False, False, False, True]
    assert results[1].error == "no such file or folder; check the path"
    assert results[1].source == bad[0] and results[2].source is None
    assert results[1].confidence == 0.0


def test_batches_hold_one_width_and_keep_to_their_size(
    spec: RecognizerSpec, line_images: Lines
) -> None:
    session = EchoSession(spec)
    results = Recognizer(session, batch_size=4)(line_images)
    assert sum(shape[0] for shape in session.shapes) == len(line_images)
    assert max(shape[0] for shape in session.shapes) == 4
    widths = sorted(shape[1] for shape in session.shapes for _ in range(shape[0]))
    assert widths == sorted(result.input_width_px for result in results)


def test_streaming_takes_no_more_than_it_must(spec: RecognizerSpec) -> None:
    """One rare width or a bad image must not hold back the rest."""
    taken = 0

    def images() -> Iterator[NDArray[np.uint8]]:
        nonlocal taken
        for _ in range(2000):
            taken += 1
            width = 600 if taken == 1 else 20
            yield np.zeros((0 if taken % 5 == 0 else 32, width), np.uint8)

    batch_size = 3
    in_hand = 1 + 4 * batch_size  # by one thread that prepares and one lane
    recognizer = Recognizer(EchoSession(spec), batch_size=batch_size, threads=1)
    stream = recognizer.stream(images())
    for given in range(1, 400):
        next(stream)
        assert taken - given <= LOOK_AHEAD_BATCHES * batch_size + in_hand + 1


def test_a_run_of_bad_images_does_not_pile_up(spec: RecognizerSpec) -> None:
    """The one good line is read although no other of its width ever comes."""
    taken = 0

    def images() -> Iterator[bytes | NDArray[np.uint8]]:
        nonlocal taken
        for _ in range(2000):
            taken += 1
            yield np.zeros((32, 50), np.uint8) if taken == 1 else b""

    first = next(Recognizer(EchoSession(spec), batch_size=2, threads=1).stream(images()))
    assert first.text == "a"
    assert taken <= LOOK_AHEAD_BATCHES * 2 + 1 + 4 * 2 + 1


def test_an_overlong_line_is_read_and_warned_of(
    make_spec: Callable[..., RecognizerSpec],
) -> None:
    recognizer = Recognizer(EchoSession(make_spec()))
    images = [np.zeros(size, np.uint8) for size in ((1, 1), (20_000, 10), (10, 20_000))]
    one_pixel, tall, long = recognizer(images)
    assert one_pixel.error is tall.error is long.error is None
    assert one_pixel.warnings == tall.warnings == ()
    assert one_pixel.input_width_px == 32 and long.input_width_px == 640
    assert "64000 px wide at a height of 32 px, the model takes 640 px" in long.warnings[0]


@pytest.mark.parametrize("single", ["a.png", Path("a.png"), b"data", np.zeros((2, 2), np.uint8)])
def test_a_single_image_is_refused_at_once(spec: RecognizerSpec, single: object) -> None:
    recognizer = Recognizer(EchoSession(spec))
    with pytest.raises(OcrError, match=r"write recognizer\(\[image\]\)"):
        recognizer(single)  # type: ignore[arg-type]
    with pytest.raises(OcrError, match="expected several images"):
        recognizer.stream(single)  # type: ignore[arg-type]


def test_no_images_give_no_results(spec: RecognizerSpec) -> None:
    assert Recognizer(EchoSession(spec))([]) == []


def test_leaving_the_block_closes_the_model(spec: RecognizerSpec, toy_path: Path) -> None:
    session = EchoSession(spec)
    with Recognizer(session) as recognizer:
        assert recognizer.spec is spec and recognizer.description == "echo"
    assert session.is_closed
    pytest.importorskip("onnxruntime")
    with Recognizer(toy_path) as closed:
        pass
    with pytest.raises(EngineError, match="closed"):
        closed([np.zeros((32, 32), np.uint8)])


def test_impossible_settings_are_refused(spec: RecognizerSpec, tmp_path: Path) -> None:
    with pytest.raises(OcrError, match="at least 1, got 0"):
        Recognizer(EchoSession(spec), batch_size=0)
    with pytest.raises(ArtifactError, match="no such file"):
        Recognizer(tmp_path / "none.onnx")


class _Picture:
    """Of a library that is not known here: no array, and nothing to go through."""


@pytest.mark.parametrize("images", [None, _Picture(), 7, "a.png", NamedImage("x", b"")])
def test_what_is_no_series_of_images_is_refused(spec: RecognizerSpec, images: object) -> None:
    recognizer = Recognizer(EchoSession(spec))
    with pytest.raises(OcrError, match=f"got a single {type(images).__name__}; "):
        recognizer(images)  # type: ignore[arg-type]


def test_sources_that_are_no_images_are_rows(
    spec: RecognizerSpec, tmp_path: Path, line_images: Lines
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), line_images[0])
    sources = [None, _Picture(), str(tmp_path), str(tmp_path / "*.png"), line_images[0]]
    nothing, picture, folder, pattern, read = Recognizer(EchoSession(spec))(sources)  # type: ignore[arg-type]
    assert "cannot read an image from NoneType" in str(nothing.error)
    assert "expected a path, the bytes of an image file, an array or an image of Pillow" in str(
        picture.error
    )
    assert "pass list(runtime.find_images([path]))" in str(folder.error)
    assert "pass list(runtime.find_images([path]))" in str(pattern.error)
    assert read.text and read.error is None


@pytest.mark.parametrize("model", [b"ONNX", object(), 7])
def test_models_that_are_no_models_are_refused(model: object) -> None:
    with pytest.raises(OcrError, match="expected the path of a model file or a session"):
        Recognizer(model)  # type: ignore[arg-type]
