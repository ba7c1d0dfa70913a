"""The command from end to end: equal inputs, stages, threads, cold start."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.measuring.result import read_result
from benchmarks.throughput import contenders
from benchmarks.throughput.__main__ import main
from benchmarks.throughput.cold_start import measure_cold_start
from benchmarks.throughput.contenders import bundled_model, choose, command_of
from benchmarks.throughput.stages import STAGES, stage_seconds
from runtime.errors import OcrError

pytest.importorskip("onnxruntime", reason="it reads the lines")
IMAGES = Path(__file__).parents[3] / "images"
PADDLEOCR = os.environ.get("DISTILREC_PADDLEOCR")
SHORT = ["--count", "4", "--rounds", "1", "--cold-starts", "0"]


def test_both_read_the_same_pixels_with_the_same_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rapidocr", reason="it is the peer")
    output = tmp_path / "result.json"
    labels = ["--images", str(IMAGES / "labels.txt")]
    assert main([*labels, *SHORT, "--threads", "2", "--output", str(output)]) == 0
    result = read_result(output)
    figures = {measure.name: measure for measure in result.measures}
    for name in ("ours", "rapidocr"):
        assert figures[f"reading / {name} / speed"].value > 0
        assert 0 < figures[f"reading / {name} / in the network"].value <= 1
        assert 0 <= figures[f"reading / {name} / right"].value <= 4
        assert figures[f"reading / {name} / exact"].is_exact
    assert figures["threads / 1 / speed"].value > 0
    assert {figure for figure in figures if figure.startswith("stages")} == {
        f"stages / {stage} / a line" for stage in STAGES
    }
    assert len(result.inputs["lines"]["sha256"]) == len(result.inputs["model"]["sha256"]) == 64
    assert result.settings["threads"] == 2
    assert result.details["references"] == {"reading": "rapidocr"}
    assert "x rapidocr" in capsys.readouterr().out


def test_alone_there_is_no_ratio(toy_onnx: Path, labelled_lines: Path, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    options = ["--images", str(labelled_lines), "--model", str(toy_onnx), "--peer", "none"]
    assert main([*options, *SHORT[:-1], "1", "--threads", "1", "--output", str(output)]) == 0
    result = read_result(output)
    names = {measure.name for measure in result.measures}
    assert "cold start / ours / one image" in names
    assert "cold start / command line / one image" in names
    assert not any(name.startswith("threads") for name in names)
    assert result.details["references"] == {"reading": "ours"}


def test_stages_add_up_to_the_reading(toy_onnx: Path, labelled_lines: Path, tmp_path: Path) -> None:
    paths = [str(labelled_lines.parent / f"{number}.png") for number in range(3)]
    output = tmp_path / "read.jsonl"
    spent = stage_seconds(toy_onnx, [*paths, str(labelled_lines)], output)
    assert list(spent) == list(STAGES)
    assert all(seconds > 0 for seconds in spent.values())
    assert len(output.read_text(encoding="utf-8").splitlines()) == 3  # a label file is no image


def test_what_cannot_be_measured_is_said(
    toy_onnx: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--images", str(tmp_path), "--model", str(toy_onnx)]) == 2
    assert "expected a label file" in capsys.readouterr().err
    assert main(["--images", str(IMAGES), "--model", str(tmp_path / "no.onnx")]) == 2
    assert "no.onnx" in capsys.readouterr().err
    paddleocr = ["--peer", "paddleocr", "--images", str(IMAGES), "--model", str(toy_onnx)]
    assert main(paddleocr) == 2
    assert "--paddleocr DIR" in capsys.readouterr().err
    with pytest.raises(OcrError, match="pip install nosuchpeer"):
        bundled_model("nosuchpeer")


def test_a_peer_that_fails_does_not_stop_the_others(
    toy_onnx: Path, labelled_lines: Path, tmp_path: Path
) -> None:
    output = tmp_path / "result.json"
    options = ["--images", str(labelled_lines), "--model", str(toy_onnx), "--peer", "paddleocr"]
    options += ["--paddleocr", str(tmp_path), *SHORT, "--threads", "1"]
    assert main([*options, "--output", str(output)]) == 1
    result = read_result(output)
    assert any(measure.name == "reading / ours / speed" for measure in result.measures)
    reasons = {failure.what: failure for failure in result.failures}
    assert "expected a checkout of PaddleOCR" in reasons["paddleocr-onnx"].reason
    assert reasons["paddleocr"].is_absent  # without an exported folder


def test_half_as_many_threads_down_to_one() -> None:
    assert list(choose(chosen_by(threads=8, openvino=False)).scaling.values()) == [1, 2, 4]


def chosen_by(**options: object) -> Namespace:
    files = dict.fromkeys(("eight_bit", "other", "other_eight_bit", "paddleocr", "inference"))
    model = Path("m.onnx")
    return Namespace(**{"peer": "none", "threads": 1, "model": model, **files, **options})


def test_every_form_that_is_named_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def reading(**options: object) -> tuple[str, ...]:
        return choose(chosen_by(openvino=True, **options)).reading

    monkeypatch.setattr(contenders, "version_of", lambda engine: "1")
    monkeypatch.setattr(contenders, "cpu_kind", lambda: "x86_64: avx512_bf16")
    form = Path("form.onnx")
    assert reading() == ("ours", "openvino", "openvino-bf16")
    assert reading(eight_bit=form)[1:] == (
        *("ours-8-bit", "openvino", "openvino-bf16"),
        "openvino-8-bit",
    )
    assert reading(other=form, other_eight_bit=form)[-2:] == ("other", "other-8-bit")
    command = command_of("openvino-bf16", form, chosen_by(), 1)
    assert command[-4:] == ["--device", "openvino", "--precision", "bf16"]
    monkeypatch.setattr(contenders, "cpu_kind", lambda: None)
    assert reading() == ("ours", "openvino")
    monkeypatch.setattr(contenders, "version_of", lambda engine: None)
    assert reading(eight_bit=form) == ("ours", "ours-8-bit")
    absent = choose(chosen_by(openvino=True)).absent
    assert "distilrec[openvino]" in absent["openvino"]


def test_a_cold_start_that_fails_is_told(tmp_path: Path) -> None:
    good, bad = [sys.executable, "-c", ""], [sys.executable, "-c", "raise SystemExit('broken')"]
    measured = measure_cold_start({"ours": good, "peer": good}, 2, tmp_path)
    assert [len(each) for each in measured.values()] == [2, 2]
    with pytest.raises(OcrError, match="status 1: broken"):
        measure_cold_start({"ours": good, "peer": bad}, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(PADDLEOCR is None, reason="DISTILREC_PADDLEOCR names no checkout")
def test_paddleocr_reads_the_same_lines(tmp_path: Path) -> None:
    from export.chain import ExportOptions, Source, export_network
    from training.config import load_config

    source = Source(load_config(Path("configs/small.yml")), "weights/small_start", "Student")
    export_network(source, tmp_path, ExportOptions())
    output = tmp_path / "result.json"
    options = ["--images", str(IMAGES / "labels.txt"), "--model", str(tmp_path / "student.onnx")]
    options += ["--peer", "paddleocr", "--paddleocr", str(PADDLEOCR)]
    options += ["--inference", str(tmp_path / "student"), "--rounds", "1", "--cold-starts", "0"]
    assert main([*options, "--output", str(output)]) == 0
    figures = {measure.name: measure.value for measure in read_result(output).measures}
    peers = ("paddleocr", "paddleocr-onednn", "paddleocr-onnx")
    assert len({figures[f"reading / {peer} / right"] for peer in peers}) == 1
    assert all(figures[f"reading / {peer} / in the network"] > 0 for peer in peers)
