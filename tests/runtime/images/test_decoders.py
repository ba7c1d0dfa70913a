"""What a decoder does to its process is the error of one image, and ends in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime.errors import ImageError
from runtime.images import decoders
from runtime.images.decoders import decode_elsewhere, end_all_decoders, end_idle_decoders
from runtime.images.read import read_image

pytestmark = pytest.mark.skipif(os.name != "posix", reason="decoders are processes on POSIX")

ROOT = Path(__file__).parents[3]
IMAGE = np.random.default_rng(1).integers(0, 256, (24, 90, 3), dtype=np.uint8)
TIFF = bytes(cv2.imencode(".tiff", IMAGE)[1])
MAX_PIXELS = 2**20
HANG_SECONDS = 60


@pytest.fixture(autouse=True)
def _no_decoders_of_others() -> Iterator[None]:
    end_all_decoders()
    yield
    end_all_decoders()


def decoded(data: bytes = TIFF, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    return decode_elsewhere(data, (90, 24), None, IMAGE.size // 3, max_pixels)


def the_process() -> int:
    """Number of the one decoder that there is."""
    (decoder,) = decoders._alive
    return decoder._process.pid


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that ended and that nobody asked about counts as ended.
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for_end(process: int) -> None:
    end = time.monotonic() + HANG_SECONDS
    while is_running(process):
        assert time.monotonic() < end, "the decoder outlives its parent"
        time.sleep(0.02)


def test_one_process_decodes_many_images() -> None:
    assert np.array_equal(decoded(), IMAGE)
    process = the_process()
    for _ in range(3):
        assert np.array_equal(decoded(), IMAGE)
        with pytest.raises(ImageError):
            decoded(TIFF[:20])
    assert the_process() == process


def test_pixels_may_be_written_to() -> None:
    image = decoded()
    image[:] = 0
    assert image.flags.c_contiguous and image.flags.writeable


def test_another_size_than_declared_is_refused() -> None:
    with pytest.raises(ImageError, match="its header says 24 x 24 px, OpenCV decodes 90 x 24 px"):
        decode_elsewhere(TIFF, (24, 24), None, 24 * 24, MAX_PIXELS)


def test_opencv_itself_is_told_the_most_pixels() -> None:
    with pytest.raises(ImageError, match="than its header says"):
        decoded(max_pixels=90 * 24 - 1)


def test_a_decoder_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(cv2.imencode(".jp2", cv2.resize(IMAGE, (900, 700)))[1])
    monkeypatch.setattr(decoders, "SECONDS_PER_IMAGE", 0.01)
    monkeypatch.setattr(decoders, "PIXELS_PER_SECOND", 2**40)
    with pytest.raises(ImageError, match=r"given up after 0\.0 s of the CPU"):
        decode_elsewhere(data, (900, 700), None, 900 * 700, MAX_PIXELS)
    assert not decoders._alive
    monkeypatch.undo()
    assert np.array_equal(decoded(), IMAGE)


def test_a_decoder_that_stands_still_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded()
    process = the_process()
    os.kill(process, signal.SIGSTOP)
    monkeypatch.setattr(decoders, "SECONDS_PER_IMAGE", 0.1)
    with pytest.raises(ImageError, match="given up"):
        decoded()
    assert not is_running(process)


def test_a_crash_is_the_error_of_one_image() -> None:
    decoded()
    process = the_process()
    os.kill(process, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (process, signal.SIGKILL)).start()
    with pytest.raises(ImageError, match="the decoder crashed"):
        decoded()
    assert np.array_equal(decoded(), IMAGE)


def test_a_decoder_ended_from_outside_is_replaced() -> None:
    decoded()
    os.kill(the_process(), signal.SIGKILL)
    wait_for_end(the_process())
    assert np.array_equal(decoded(), IMAGE)
    assert len(decoders._alive) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_memory_follows_from_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_SPARE_BYTES", 2**20)
    monkeypatch.setattr(decoders, "_BYTES_PER_PIXEL", 0)
    data = bytes(cv2.imencode(".tiff", np.zeros((3000, 3000, 3), np.uint8))[1])
    with pytest.raises(ImageError, match=r"memory|cannot decode it|not an image"):
        decode_elsewhere(data, (3000, 3000), None, 1, 2**24)
    monkeypatch.undo()
    assert np.array_equal(decoded(), IMAGE)


def test_idle_decoders_are_ended_and_leave_nothing() -> None:
    decoded()
    process = the_process()
    end_idle_decoders()
    assert not decoders._alive
    with pytest.raises(ChildProcessError):
        os.waitpid(process, os.WNOHANG)


def test_whoever_waits_is_told_at_once_when_all_are_ended() -> None:
    decoded()
    os.kill(the_process(), signal.SIGSTOP)
    threading.Timer(0.2, end_all_decoders).start()
    start = time.monotonic()
    with pytest.raises(ImageError):
        decoded()
    assert time.monotonic() - start < decoders.SECONDS_PER_IMAGE


def test_an_interruption_ends_the_wait_and_the_decoder() -> None:
    class Stopped(Exception):
        pass

    def stop(_number: int, _frame: object) -> None:
        raise Stopped

    decoded()
    process = the_process()
    os.kill(process, signal.SIGSTOP)
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Stopped):
            decoded()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not is_running(process)


def test_threads_have_decoders_of_their_own() -> None:
    wrong: list[object] = []

    def read() -> None:
        for _ in range(10):
            if not np.array_equal(decoded(), IMAGE):
                wrong.append(1)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert not wrong and 1 <= len(decoders._alive) <= 3


def test_a_forked_process_has_its_own() -> None:
    decoded()
    child = os.fork()
    if child == 0:
        is_right = not decoders._alive and np.array_equal(decoded(), IMAGE)
        end_all_decoders()
        os._exit(0 if is_right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.array_equal(decoded(), IMAGE)


READ_AND_WAIT = """
import sys, time
from runtime import read_image
from runtime.images import decoders
read_image(sys.argv[1])
(decoder,) = decoders._alive
print(decoder._process.pid, flush=True)
if len(sys.argv) > 2: time.sleep(600)
"""


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", READ_AND_WAIT, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_decoder_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "line.tif"
    path.write_bytes(TIFF)
    with started(str(path)) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
    assert parent.returncode == 0
    wait_for_end(process)
    with started(str(path), "stay") as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        assert is_running(process)
        parent.kill()
    wait_for_end(process)


def test_closed_standard_streams(tmp_path: Path) -> None:
    path, output = tmp_path / "line.tif", tmp_path / "shape"
    path.write_bytes(TIFF)
    code = (
        "import os, sys; os.closerange(0, 3)\n"
        "from runtime import read_image\n"
        f"shape = read_image({str(path)!r}).shape\n"
        f"open({str(output)!r}, 'w').write(repr(shape))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=HANG_SECONDS, check=False)
    assert output.read_text() == "(24, 90, 3)"


def test_a_program_that_is_no_python_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(ImageError, match="does not start: expected /bin/true to be a Python"):
        decoded()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    with pytest.raises(ImageError, match="cannot start the process"):
        decoded()


def test_ordinary_formats_need_no_process() -> None:
    for suffix in (".jpg", ".png", ".bmp", ".ppm"):
        assert read_image(bytes(cv2.imencode(suffix, IMAGE)[1])).shape == IMAGE.shape
    assert not decoders._alive
    assert read_image(TIFF).shape == IMAGE.shape
    assert len(decoders._alive) == 1
