"""`training.predict` reads images as they are served, in order, and writes PaddleOCR's file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
import pytest

from runtime.recognition.ctc import DecodedLine
from training.checkpoint.parameters import arrays_of, write_parameters
from training.config import load_config
from training.data.synthetic import SyntheticDataSet
from training.predict import main
from training.recognition.predict import Prediction, results_text, table
from training.run import Run, build_run

WriteConfig = Callable[..., Path]


def read_something(run: Run) -> Run:
    """Make heads at random so decided that they read letters instead of blanks."""
    for name, tensor in run.model.state_dict().items():
        if name.endswith("fc2.weight"):
            tensor.set_value(tensor * 60)
        if name.endswith("fc2.bias"):
            tensor.set_value(paddle.to_tensor([-9.0] + [0.0] * (tensor.shape[0] - 1)))
    return run


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of lines of several widths, one broken image among them."""
    folder = tmp_path / "images"
    folder.mkdir()
    source = SyntheticDataSet(tuple("abcdefghijkl"), count=7, seed=2, max_text_length=6)
    for index in range(7):
        cv2.imwrite(str(folder / f"{index}.png"), source.line(index)[0])
    (folder / "3.png").write_bytes(b"not an image")
    return folder


@pytest.fixture
def checkpoint(write_config: WriteConfig, tmp_path: Path) -> Path:
    run = read_something(build_run(load_config(write_config("start"))))
    path = tmp_path / "start" / "latest.pdparams"
    write_parameters(path, arrays_of(run.model))
    return path


def test_the_command(
    write_config: WriteConfig,
    checkpoint: Path,
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "results" / "predicts.txt"
    overrides = [f"Global.checkpoints={checkpoint}", f"Global.save_res_path={results}"]
    # Images after the overrides, as people write it.
    assert main(["-c", str(write_config()), "-o", *overrides, str(images)]) == 1
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["file", "Teacher", "confidence", "Student", "confidence"]
    assert [Path(row.split()[0]).name for row in rows] == [f"{index}.png" for index in range(7)]
    assert "error:" in rows[3] and "3.png" in rows[3]
    lines = results.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6
    for line in lines:
        file, _, text = line.partition("\t")
        scores = json.loads(text)
        assert Path(file).parent == images and set(scores) == {"Student", "Teacher"}
        row = next(row for row in rows if row.startswith(file))
        for reading in scores.values():
            assert set(reading) == {"label", "score"}
            assert reading["label"] in row and f"{reading['score']:.3f}" in row
    assert any(json.loads(line.partition("\t")[2])["Student"]["label"] for line in lines)


def test_infer_img_is_read_by_default(
    write_config: WriteConfig, checkpoint: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"Global.infer_img": str(images / "[45].png")}
    assert (
        main(["-c", str(write_config("run", changes)), "-o", f"Global.checkpoints={checkpoint}"])
        == 0
    )
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [([], "no images"), (["Global.checkpoints=/nowhere/x"], "no checkpoint at /nowhere/x")],
)
def test_errors_are_one_line_and_status_2(
    overrides: list[str],
    message: str,
    write_config: WriteConfig,
    checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    overrides = overrides or [f"Global.checkpoints={checkpoint}"]
    assert main(["-c", str(write_config()), "-o", *overrides]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and f"predict: {message}" in captured.err


def test_the_batch_does_not_change_what_is_read(write_config: WriteConfig, images: Path) -> None:
    files = [str(images / f"{index}.png") for index in (6, 0, 3, 1, 2, 4, 5)] * 2
    readings: list[list[Prediction]] = []
    for size in (1, 3):
        changes = {"Eval.loader.batch_size_per_card": size}
        run = read_something(build_run(load_config(write_config(f"by{size}", changes))))
        readings.append(list(run.task.predictions(run, files)))
    assert [reading.file for reading in readings[0]] == files
    for first, second in zip(*readings, strict=True):
        assert first.error == second.error
        for network, line in first.lines.items():
            assert line.text == second.lines[network].text
            np.testing.assert_allclose(line.confidence, second.lines[network].confidence, rtol=1e-4)
    assert sum(len(reading.lines["Student"].text) for reading in readings[0] if reading.lines) > 10


def test_it_reads_what_the_network_says(write_config: WriteConfig, images: Path) -> None:
    from runtime.images.read import read_image
    from runtime.recognition.ctc import best_path, decode_best_path
    from runtime.recognition.preprocess import batch_from_lines, resize_line
    from runtime.recognition.spec import WidthPolicy

    run = read_something(build_run(load_config(write_config())))
    file = str(images / "5.png")
    (prediction,) = run.task.predictions(run, [file])
    line = resize_line(read_image(file), 32, WidthPolicy())
    width = -(-line.shape[1] // 32) * 32
    batch = paddle.to_tensor(batch_from_lines([line], width))
    run.model.eval()
    with paddle.no_grad():
        probabilities = run.model(batch)["Student"]["head_out"].numpy()
    (wanted,) = decode_best_path(*best_path(probabilities), run.task.charset)
    assert prediction.lines["Student"] == wanted


def test_one_network_alone(
    write_config: WriteConfig, single_network: dict[str, Any], images: Path
) -> None:
    run = read_something(build_run(load_config(write_config("single", single_network))))
    file = str(images / "1.png")
    (prediction,) = run.task.predictions(run, [file])
    line = prediction.lines[""]
    assert results_text([prediction]) == f"{file}\t{line.text}\t{line.confidence}\n"
    assert table([prediction]).splitlines()[0].split() == ["file", "text", "confidence"]


def test_the_table_survives_odd_names_and_no_reading() -> None:
    wide = DecodedLine("日本", 0.5, (0.5, 0.5), (1, 2))
    rows = table(
        [
            Prediction("a\nb.png", error="the file is empty"),
            Prediction("日.png", {"Student": wide}),
            Prediction("long name.png", {"Student": DecodedLine("", 0.0, (), ())}),
        ]
    ).splitlines()
    assert len(rows) == 4
    assert rows[1].startswith("a\\nb.png") and "error: the file is empty" in rows[1]
    assert rows[2] == "日.png         日本          0.500"
    assert rows[3] == "long name.png                0.000"
    assert table([Prediction("x", error="bad")]).splitlines()[1] == "x     error: bad"
    assert results_text([Prediction("x", error="bad")]) == ""
