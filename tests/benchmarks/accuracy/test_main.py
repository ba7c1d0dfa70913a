"""Two forms of the toy network side by side, and what cannot be opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.readers import open_reader
from benchmarks.measuring.result import read_result
from runtime import Recognizer

pytest.importorskip("onnxruntime", reason="it reads the lines")
pytest.importorskip("onnx", reason="the forms are ONNX")


@pytest.fixture(scope="module")
def true_labels(toy_onnx: Path, labelled_lines: Path) -> Path:
    """What the toy network reads of each line, but for the last one, which it never would."""
    paths = [labelled_lines.parent / f"{number}.png" for number in range(12)]
    with Recognizer(toy_onnx, device="cpu") as recognizer:
        texts = [result.text for result in recognizer(paths)]
    assert len(set(texts)) > 6
    texts[-1] = "QQQQQQ"
    labels = labelled_lines.parent / "true.tsv"
    rows = [f"{path.name}\t{text}\n" for path, text in zip(paths, texts, strict=True)]
    labels.write_text("".join(rows), encoding="utf-8")
    return labels


def test_forms_side_by_side(
    toy_onnx: Path, true_labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(toy_onnx.read_bytes())
    plan = tmp_path / "toy.plan"
    plan.write_bytes(b"")
    output = tmp_path / "accuracy.json"
    models = ["--models", str(toy_onnx), str(copy), str(plan)]
    status = main(["--labels", str(true_labels), *models, "--output", str(output)])
    result = read_result(output)
    forms = result.details["forms"]
    assert list(forms) == ["toy.onnx", "copy.onnx"]
    for form in forms.values():
        assert (form["packs"]["all"]["lines"], form["packs"]["all"]["exact"]) == (12, 11)
        assert form["as_the_first"] == 12
    figures = {measure.name: measure for measure in result.measures}
    assert figures["copy.onnx / true / exact"].value == pytest.approx(11 / 12)
    assert all(measure.is_exact for measure in result.measures)
    (failed,) = result.failures  # a plan without its sidecar is a fault of the plan
    assert (failed.what, failed.is_absent, status) == ("toy.plan", False, 1)
    (line,) = forms["toy.onnx"]["worst"]
    assert line["label"] == "QQQQQQ"
    assert (tmp_path / line["picture"]).read_bytes().startswith(b"\x89PNG")
    for picture in ("accuracy.png", "accuracy_worst.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    assert "exact 91.7 %" in capsys.readouterr().out


def test_models_of_one_name_are_told_apart(
    toy_onnx: Path, true_labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / toy_onnx.name
    copy.write_bytes(toy_onnx.read_bytes())
    assert main(["--labels", str(true_labels), "--models", str(toy_onnx), str(copy)]) == 0
    printed = capsys.readouterr().out
    assert f"{toy_onnx}: ONNX" in printed and f"{copy}: ONNX" in printed


def test_the_hash_is_of_pixels_and_labels(
    toy_onnx: Path, labelled_lines: Path, true_labels: Path, tmp_path: Path
) -> None:
    hashes = []
    for number, labels in enumerate((labelled_lines, true_labels, true_labels)):
        output = tmp_path / f"{number}.json"
        main(["--labels", str(labels), "--models", str(toy_onnx), "--output", str(output)])
        (lines,) = read_result(output).inputs["lines"].values()
        hashes.append(lines["sha256"])
    assert hashes[0] != hashes[1] == hashes[2]


def test_a_form_in_fp16_reads_with_every_rounding(
    toy_onnx: Path, true_labels: Path, tmp_path: Path
) -> None:
    from export.commands.precision import convert_file

    file = tmp_path / "half.onnx"
    convert_file(toy_onnx, file, [str(true_labels.parent)])
    reader = open_reader(file)
    assert "emulated" in reader.title
    paths = [str(labels) for labels in sorted(true_labels.parent.glob("*.png"))]
    read = list(reader.read([*paths, str(true_labels)]))
    assert len(read) == len(paths) + 1
    assert read[-1][2] is not None and not read[-1][0]
    assert sum(bool(text) for text, _, _ in read) > 6


def test_what_cannot_be_measured(toy_onnx: Path, tmp_path: Path,
                                 capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert main(["--labels", str(tmp_path / "no.tsv"), "--models", str(toy_onnx)]) == 2
    assert "no.tsv" in capsys.readouterr().err


def test_ways_to_resize_side_by_side(toy_onnx: Path, true_labels: Path, tmp_path: Path) -> None:
    output = tmp_path / "accuracy.json"
    given = ["--labels", str(true_labels), "--models", str(toy_onnx), "--least-height", "40"]
    assert main([*given, "--resize", "bilinear", "area", "--output", str(output)]) == 0
    forms = read_result(output).details["forms"]
    assert list(forms) == ["toy.onnx, bilinear", "toy.onnx, area"]
    assert all(form["packs"]["all"]["lines"] == 12 for form in forms.values())
    assert main(["--labels", str(true_labels), *given[2:4], "--least-height", "41"]) == 2
