"""The command and what it writes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.synthetic import DEFAULT_ALPHABET, SyntheticDataSet
from training.data.synthetic.__main__ import main

ROOT = Path(__file__).parents[4]
TIMEOUT_S = 120
PAGES = ["--pages", "--kinds", "receipt", "--long-side", "400"]


def read_labels(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)  # type: ignore[misc]


def test_writes_a_label_file_data_set(tmp_path: Path) -> None:
    output = tmp_path / "set"
    status = main(
        f"--output {output} --count 40 --seed 2 --val-fraction 0.25 --use-space-char --workers 1 "
        f"--preview {tmp_path / 'sheet.png'}".split()
    )
    assert status == 0
    train, val = read_labels(output / "train.txt"), read_labels(output / "val.txt")
    assert (len(train), len(val)) == (30, 10)
    assert not set(train) & set(val)
    data_set = SyntheticDataSet((*DEFAULT_ALPHABET, " "), count=40, seed=2)
    expected = {f"images/{i:06d}.jpg": data_set.text(i) for i in range(40)}
    assert train | val == expected
    for name in expected:
        image = cv2.imread(str(output / name))
        assert image is not None
        assert 18 <= image.shape[0] <= 64
    dictionary = (output / "dictionary.txt").read_text(encoding="utf-8")
    assert dictionary == "".join(f"{c}\n" for c in DEFAULT_ALPHABET)
    assert json.loads((output / "synthetic.json").read_text(encoding="utf-8"))["seed"] == 2
    assert not list(output.glob(".*"))
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None


def test_workers_do_not_change_the_result(tmp_path: Path) -> None:
    common = ["--count", "150", "--alphabet", "abc123", "--difficulty", "0.2"]
    assert main([*common, "--output", str(tmp_path / "one"), "--workers", "1"]) == 0
    command = [sys.executable, "-m", "training.data.synthetic", *common]
    subprocess.run(
        [*command, "--output", str(tmp_path / "two"), "--workers", "2"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 150 + 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_refuses_a_folder_with_contents_unless_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--output", str(tmp_path), "--alphabet", "ab", "--workers", "1"]
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    assert main([*command, "--count", "5"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main([*command, "--count", "5", "--val-fraction", "0.4", "--force"]) == 0
    assert main([*command, "--count", "3", "--force"]) == 0
    assert len(read_labels(tmp_path / "train.txt")) == 3
    assert not (tmp_path / "val.txt").exists()
    assert len(list((tmp_path / "images").iterdir())) == 3
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "keep"


def test_labels_are_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: SyntheticDataSet, index: int, epoch: int = 0) -> tuple[np.ndarray, str]:
        raise OSError("disk full")

    monkeypatch.setattr(SyntheticDataSet, "line", fail)
    assert main(["--output", str(tmp_path / "set"), "--count", "3", "--workers", "1"]) == 2
    assert not (tmp_path / "set" / "train.txt").exists()


def test_dictionary_file(tmp_path: Path) -> None:
    dictionary = tmp_path / "dict.txt"
    dictionary.write_text("q\nÄ\n7\n", encoding="utf-8")
    output = tmp_path / "set"
    arguments = ["--dictionary", str(dictionary), "--count", "12", "--workers", "1"]
    assert main([*arguments, "--output", str(output)]) == 0
    labels = read_labels(output / "train.txt").values()
    assert set().union(*labels) == {"q", "Ä", "7"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to do"),
        (["--output", "x", "--count", "0"], "count is out of range"),
        (["--output", "x", "--count", "many"], "invalid int value"),
        (["--output", "x", "--difficulty", "2"], "difficulty is out of range"),
        (["--output", "x", "--val-fraction", "1"], "val_fraction is out of range"),
        (["--output", "x", "--workers", "0"], "num_workers is out of range"),
        (["--output", "x", "--alphabet", "a\uf123"], "U\\+F123"),
        (["--output", "x", "--dictionary", "absent.txt"], "cannot read the dictionary"),
        (["--output", "x", "--alphabet", "a", "--dictionary", "d"], "not allowed with"),
        (["--output", "x", "--word-list", "absent.txt"], "cannot read the word list"),
        (["--output", "x", "--fonts", "absent.ttf"], "cannot read the font"),
        (["--preview", "x.jpg"], "PNG"),
        (["--otuput", "x"], "unrecognized"),
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
    try:
        status: object = main(arguments)
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert printed.startswith("synthetic: ")
    assert re.search(message, printed)
    assert not list(tmp_path.iterdir())


def test_imports_without_paddle_and_matplotlib() -> None:
    program = (
        "import sys; sys.modules['paddle'] = sys.modules['matplotlib'] = None;"
        "import training.data.synthetic as s; s.SyntheticDataSet('ab', 4, 0).line(1)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("what", [[], PAGES], ids=["lines", "pages"])
def test_ctrl_c_in_a_terminal_reaches_every_process_and_one_says_so(
    what: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "set"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "training.data.synthetic", *what, "--output", str(output)),
            *("--count", "100000", "--workers", "2"),
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts what runs behind it with Ctrl-C ignored, which would stay so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + TIMEOUT_S
    while not list(output.glob("images/*.jpg")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "synthetic: stopped" and "Traceback" not in said
    # Nobody draws on, and a set without labels is an unfinished one.
    drawn = set(output.glob("images/*"))
    time.sleep(1)
    assert set(output.glob("images/*")) == drawn
    assert not (output / "train.txt").exists()
