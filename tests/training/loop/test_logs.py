"""`metrics.jsonl` across resumes and cut lines, and the picture drawn from it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import cv2
import pytest

from runtime.errors import ArtifactError
from training.loop.curves import draw_curves
from training.loop.logs import MetricLog, RunningMean, read_metrics


def write(folder: Path, resumed_step: int, steps: list[int]) -> None:
    log = MetricLog(folder, resumed_step)
    for step in steps:
        log.write("train", step, {"loss": 10.0 / step, "epoch": 1})
        log.write("eval", step, {"acc": step / 10, "Teacher_acc": 0.5})
    log.close()


def steps(folder: Path) -> list[int]:
    return [
        record["step"]
        for record in read_metrics(folder / "metrics.jsonl")
        if record["kind"] == "train"
    ]


def test_a_resumed_run_takes_back_what_it_repeats(tmp_path: Path) -> None:
    write(tmp_path, 0, [1, 2, 3, 4, 5])
    write(tmp_path, 3, [4, 5, 6])
    assert steps(tmp_path) == [1, 2, 3, 4, 5, 6]
    write(tmp_path, 0, [1])  # a fresh start
    assert steps(tmp_path) == [1]


def test_a_line_that_was_cut_off_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, 0, [1, 2])
    file = tmp_path / "metrics.jsonl"
    file.write_text(file.read_text() + '{"kind": "train", "st')
    assert steps(tmp_path) == [1, 2]
    assert "incomplete" in caplog.text
    write(tmp_path, 2, [3])
    assert [json.loads(line)["step"] for line in file.read_text().splitlines()] == [
        1,
        1,
        2,
        2,
        3,
        3,
    ]


def test_running_mean() -> None:
    mean = RunningMean(2)
    for loss in (8.0, 2.0, 4.0):
        mean.add({"loss": loss})
    mean.add({"acc": 0.5})
    assert mean.means() == {"loss": 3.0, "acc": 0.5}
    assert RunningMean(0).means() == {}


def test_curves(tmp_path: Path) -> None:
    assert draw_curves(tmp_path) is None
    write(tmp_path, 0, [1, 2, 3])
    path = draw_curves(tmp_path)
    assert path == tmp_path / "curves.png"
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 300 and picture.std() > 10


def test_curves_of_losses_that_reach_zero(tmp_path: Path) -> None:
    log = MetricLog(tmp_path, 0)
    log.write("train", 1, {"loss": 0.0})
    log.close()
    assert draw_curves(tmp_path) is not None


def test_lines_that_are_no_records_are_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, 0, [1])
    file = tmp_path / "metrics.jsonl"
    odd = [b"[1]", b"{}", b'{"kind": "train", "step": "x"}', b"\xff", b"[" * 100_000]
    file.write_bytes(b"\n".join([*odd, file.read_bytes()]))
    assert steps(tmp_path) == [1]
    assert "dropped 5 incomplete lines" in caplog.text


def test_a_full_disk_is_one_line_and_half_a_record_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path, 0, [1])
    log = MetricLog(tmp_path, 1)

    class Full:
        def write(self, data: bytes) -> int:
            if len(data) > 20:
                with log.path.open("ab") as file:
                    return file.write(data[:20])
            raise OSError(errno.ENOSPC, "No space left on device")

    log._file = Full()  # type: ignore[assignment]
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl: No space left on device; .*resume"):
        log.write("train", 2, {"loss": 0.1234567890123456789})
    write(tmp_path, 1, [2])
    assert steps(tmp_path) == [1, 2]


def test_a_picture_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 0, [1])
    (tmp_path / "curves.png").mkdir()
    with pytest.raises(ArtifactError, match=r"cannot write .*curves\.png: .*are whole"):
        draw_curves(tmp_path)
