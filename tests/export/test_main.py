"""`python -m export` as its user meets it."""

import json
import subprocess
import sys

import pytest

from export.__main__ import COMMANDS, _shown, build_parser, main

ERROR, DISAGREEMENT = 2, 1


def run(*arguments):
    command = [sys.executable, "-m", "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_command_has_help(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit) as end:
            build_parser().parse_args([command, "--help"])
        assert end.value.code == 0
        assert command in capsys.readouterr().out


def test_without_a_command_it_is_the_whole_road_ending_in_one_json_line(
    small_config, checkpoint, tmp_path
):
    result = run(
        *("--config", small_config.path, "--checkpoint", checkpoint, "--output-dir", tmp_path),
        *("--safetensors", "--triton", tmp_path / "repository"),
    )
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert told["network"] == "Student"
    assert (tmp_path / "student.onnx").is_file()
    assert (tmp_path / "student.safetensors").is_file()
    assert (tmp_path / "repository" / "student" / "1" / "model.onnx").read_bytes() == (
        tmp_path / "student.onnx"
    ).read_bytes()
    read = f"written: {tmp_path}/student.onnx; read with it: python -m runtime.infer IMAGES --model"
    assert read in result.stderr and "ccache" not in result.stderr
    assert "verified: paddle and onnxruntime read 64 of 64 images the same" in result.stderr


def test_mistakes_are_one_line_and_leave_nothing(small_config, checkpoint, tmp_path, capsys):
    output = ["--output-dir", str(tmp_path / "out")]
    config = ["-c", str(small_config.path)]
    for arguments, said in (
        ([*config, "--checkpoint", str(tmp_path / "nothing"), *output], "no checkpoint"),
        ([*config, "--checkpoint", str(checkpoint), "--network", "Studnet", *output], "Student"),
        ([*config, "--checkpoint", str(checkpoint), "--opset", "9", *output], "opset"),
        (["-c", "nothing.yml", "--checkpoint", str(checkpoint), *output], "nothing.yml"),
        (["strip", "--checkpoint", str(checkpoint)], "missing --config, --output-dir"),
        (["inspect", str(tmp_path / "nothing.onnx")], "no such file"),
        (["verify", str(tmp_path / "one.onnx")], "expected a second model"),
        (["verify", "a.onnx", "b.onnx", "--labels", "l.txt"], "--labels needs --images"),
        (["verify", "a.onnx", "--checkpoint", str(checkpoint)], "needs --config"),
    ):
        assert main(arguments) == ERROR
        captured = capsys.readouterr()
        (line,) = [row for row in captured.err.splitlines() if "values" not in row]
        assert said in line
        assert captured.out == ""
    assert not (tmp_path / "out").exists()


def test_strip_lists_the_networks_without_a_config(checkpoint, capsys):
    assert main(["strip", "--checkpoint", str(checkpoint), "--list"]) == 0
    networks = json.loads(capsys.readouterr().out)["networks"]
    assert set(networks) == {"Teacher", "Student"}
    assert networks["Teacher"]["values"] > networks["Student"]["values"] > 1000


def test_a_failed_comparison_is_told_by_the_exit_status(exported, tmp_path, capsys):
    import onnx

    model = onnx.load(exported[0] / "student.onnx")
    for weight in model.graph.initializer:
        array = onnx.numpy_helper.to_array(weight)
        if array.dtype == "float32" and array.size > 100:
            weight.CopyFrom(onnx.numpy_helper.from_array(array * 1.5, weight.name))
    onnx.save(model, tmp_path / "other.onnx")
    forms = [str(exported[0] / "student.onnx"), str(tmp_path / "other.onnx")]
    assert main(["verify", *forms]) == DISAGREEMENT
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False
    assert told["comparisons"][0]["num_equal"] < 64
    assert main(["verify", *forms[:1] * 2]) == 0


def test_the_whole_road_with_fp16_and_an_engine(small_config, checkpoint, tmp_path, capsys):
    """TensorRT-RTX builds on a machine without a GPU; proving the engine takes one."""
    pytest.importorskip("tensorrt_rtx")
    arguments = ["-c", str(small_config.path), "--checkpoint", str(checkpoint)]
    arguments += ["--output-dir", str(tmp_path), "--fp16", "--engine", "tensorrt-rtx"]
    assert main([*arguments, "--images", "images"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fp16"]["achieved"] in ("fp16", "mixed")
    assert told["engine"]["plan"] == str(tmp_path / "student.plan")
    assert {file.name for file in tmp_path.iterdir()} >= {
        *("student.onnx", "student_fp16.onnx", "student.plan", "student.plan.json"),
    }
    assert main(["inspect", str(tmp_path / "student.plan")]) == 0
    assert "tensorrt_rtx" in capsys.readouterr().out


def test_a_terminal_is_not_shown_json_after_what_was_told(monkeypatch):
    result = {"onnx": "student.onnx", "passed": True}
    assert json.loads(_shown(result, "all")) == result
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert _shown(result, "all") == ""
    assert _shown(result, "verify").splitlines()[1] == '  "onnx": "student.onnx",'
