"""The command from packs to table, result and picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from benchmarks.distillation.__main__ import main
from benchmarks.measuring.result import read_result
from training.data.synthetic import SyntheticDataSet


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """One small pack of rendered words."""
    pack = tmp_path / "packs" / "words"
    pack.mkdir(parents=True)
    lines = SyntheticDataSet(
        [*"abcdefghij"], count=72, seed=3, min_text_length=1, max_text_length=5, difficulty=0.0
    )
    rows = []
    for index in range(len(lines)):
        image, text = lines.line(index)
        cv2.imwrite(str(pack / f"{index}.png"), image)
        rows.append(f"{index}.png\t{text}\n")
    (pack / "train.tsv").write_text("".join(rows[:64]), encoding="utf-8")
    (pack / "val.tsv").write_text("".join(rows[64:]), encoding="utf-8")
    return pack.parent


@pytest.mark.slow
def test_arms_are_trained_read_and_compared_once(
    packs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    command = [
        *("--data", str(packs), "--packs", "words", "--max-width", "400", "--seeds", "1"),
        *("--arms", "alone", "guided", "--steps", "2"),
        *("-o", "Train.loader.num_workers=0", "--rendered", "10"),
        *("--output", str(tmp_path / "runs"), "--result", str(result)),
    ]
    assert main(command) == 0
    first = read_result(result)
    details = first.details
    assert [arm["arm"] for arm in details["summary"]] == ["alone", "guided"]
    assert [run["training"]["steps"] for run in details["runs"]] == [2, 2]
    assert [run["training"] for run in details["networks"].values()] == [None, None]
    assert len(first.inputs["teacher"]["sha256"]) == 64
    for run in (*details["runs"], *details["networks"].values()):
        assert run["readings"]["words"]["lines"] == 8
        assert run["readings"]["rendered"]["lines"] == 10
    assert result.with_suffix(".png").stat().st_size > 0

    # What is done stays; a run that lost its result goes on from its checkpoint to the same end.
    (tmp_path / "runs" / "guided_1" / "result.json").unlink()
    assert main(command) == 0
    again = read_result(result)
    figures = [
        {figure.name: figure.value for figure in kept.measures if not figure.name.endswith("cost")}
        for kept in (first, again)
    ]
    assert figures[0] == figures[1]
    assert "distillation / guided / exact" in figures[0]
    assert again.details["runs"][0] == details["runs"][0]
    assert "(teacher)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--arms", "paired"], "no arm paired"),
        (["--packs", "letters"], "no pack letters"),
        (["-o", "Train"], "expected Section.key=value"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    options: list[str], said: str, packs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["--output", str(tmp_path / "runs"), "--packs", "words"]
    assert main(["--data", str(packs), *output, *options]) == 2
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("*_1"))


def test_a_twin_without_first_weights_beside_given_ones_is_refused(
    packs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--data", str(packs), "--packs", "words", "--output", str(tmp_path / "runs")]
    start = Path(__file__).parents[3] / "weights" / "small_start.pdparams"
    assert main([*command, "--arms", "alone", "pair", "--start", str(start)]) == 2
    assert "the first weights of the Twin too" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
