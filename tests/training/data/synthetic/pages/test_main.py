"""The command with --pages, and what it writes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from training.data.sample import Sample
from training.data.synthetic import SyntheticPages
from training.data.synthetic.__main__ import main
from training.detection.labels import read_polygons

ROOT = Path(__file__).parents[5]
COMMON = ("--pages", "--long-side", "320", "--count")


def read_labels(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)  # type: ignore[misc]


def test_writes_a_label_file_data_set(tmp_path: Path) -> None:
    output, preview = tmp_path / "set", tmp_path / "sheet.png"
    arguments = [*COMMON, "8", "--seed", "2", "--val-fraction", "0.25", "--workers", "1"]
    assert main([*arguments, "--output", str(output), "--preview", str(preview)]) == 0
    train, val = read_labels(output / "train.txt"), read_labels(output / "val.txt")
    assert (len(train), len(val)) == (6, 2)
    data_set = SyntheticPages(count=8, seed=2, long_side=320)
    assert train | val == {f"images/{i:06d}.jpg": data_set.text(i, 0) for i in range(8)}
    for name, label in (train | val).items():
        image = cv2.imread(str(output / name))
        assert image is not None
        polys = read_polygons(label, name).polys
        assert polys.min() >= 0
        assert (polys.reshape(-1, 2) < image.shape[1::-1]).all()
    provenance = json.loads((output / "synthetic.json").read_text(encoding="utf-8"))
    assert (provenance["seed"], provenance["long_side"]) == (2, 320)
    assert cv2.imread(str(preview)) is not None
    assert not list(output.rglob(".*"))


def test_workers_do_not_change_the_result(tmp_path: Path) -> None:
    arguments = [*COMMON, "10", "--kinds", "receipt", "form"]
    assert main([*arguments, "--output", str(tmp_path / "one"), "--workers", "1"]) == 0
    command = [sys.executable, "-m", "training.data.synthetic", *arguments, "--workers", "2"]
    subprocess.run(
        [*command, "--output", str(tmp_path / "two")], cwd=ROOT, check=True, capture_output=True
    )
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 10 + 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_an_interrupted_run_leaves_no_label_and_no_half_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = SyntheticPages.read

    def interrupted(self: SyntheticPages, index: int, epoch: int) -> Sample:
        if index == 2:
            raise KeyboardInterrupt
        return read(self, index, epoch)

    arguments = [*COMMON, "4", "--output", str(tmp_path / "set"), "--workers", "1"]
    monkeypatch.setattr(SyntheticPages, "read", interrupted)
    assert main(arguments) == 130
    left = [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
    assert sorted(path.name for path in left) == ["000000.jpg", "000001.jpg"]
    assert all(cv2.imread(str(path)) is not None for path in left)
    monkeypatch.undo()
    assert main([*arguments, "--force"]) == 0
    assert len(read_labels(tmp_path / "set" / "train.txt")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pages"], "nothing to do"),
        (["--pages", "--output", "x", "--alphabet", "ab"], "--alphabet is an option of lines"),
        (["--pages", "--output", "x", "--max-length", "9"], "--max-length is an option of lines"),
        (["--output", "x", "--kinds", "form"], "--kinds is an option of pages"),
        (["--output", "x", "--long-side", "900"], "--long-side is an option of pages"),
        (["--pages", "--output", "x", "--kinds", "recipt"], "did you mean receipt"),
        (["--pages", "--output", "x", "--long-side", "9"], "long_side: expected 320"),
        (["--pages", "--output", "x", "--count", "0"], "count is out of range"),
        (["--pages", "--preview", "x.jpg"], "PNG"),
    ],
)
def test_bad_arguments_end_in_one_line_and_status_two(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert re.search(message, printed)
    assert not list(tmp_path.iterdir())
