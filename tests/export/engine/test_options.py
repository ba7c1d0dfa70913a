"""trtexec's words, checked before anything is built."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

from export.commands import build, everything
from export.engine.options import BuildOptions, pools_from_text
from runtime.errors import ConfigError, OcrError

DIGITS = "9" * 5000
"""More than Python makes a number of."""
HUGE = f"workspace:{DIGITS}"


def test_pools() -> None:
    assert pools_from_text("workspace:1024") == {"workspace": 1 << 30}
    assert pools_from_text("workspace:1.5G,tacticSharedMem:48K") == {
        "workspace": 3 << 29,
        "tacticSharedMem": 48 << 10,
    }
    assert pools_from_text("") == {}
    for wrong in ("workspace", "workspace:", "workspace:0", "workspaces:1", "workspace:1T", HUGE):
        with pytest.raises(ConfigError, match=r"--memPoolSize: expected e\.g\. workspace:1024"):
            pools_from_text(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hardware_level": "ampere"}, r"--hardwareCompatibilityLevel: .*ampere\+.*'ampere'"),
        ({"optimization_level": 6}, "--builderOptimizationLevel: expected 0 to 5, got 6"),
        ({"max_aux_streams": -1}, "--maxAuxStreams"),
        ({"flags": ("stripWeights",)}, "--stripWeights: expected a plan with its weights"),
        ({"flags": ("excludeLeanRuntime",)}, "--excludeLeanRuntime: expected --versionCompatible"),
        ({"compute_capabilities": ("sm89",)}, "--computeCapability: expected numbers like 8.9"),
        ({"compute_capabilities": ("\u0668.\u0666",)}, "--computeCapability: expected numbers"),
    ],
)
def test_impossible_options_name_their_flag(changes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BuildOptions(**changes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--shapes=x:1x3x32x32 --minShapes=x:1x3x32x32", "--shapes: expected it alone"),
        ("--bucketProfiles=a,b", "--bucketProfiles: expected widths such as"),
        pytest.param(f"--bucketProfiles={DIGITS}", "--bucketProfiles: expected", id="digits"),
        ("--tieTolerance=2", "--tieTolerance: expected at least 0"),
        ("--backend=openvino", "unknown backend"),
        ("", "cannot open the model missing.onnx"),
    ],
)
def test_the_command_refuses_before_it_builds(words: str, message: str) -> None:
    parser = argparse.ArgumentParser()
    build.add_arguments(parser)
    given = ["--onnx=missing.onnx", "--saveEngine=a.plan", *shlex.split(words)]
    with pytest.raises(OcrError, match=message):
        build.run(parser.parse_args(given))


def test_options_survive_the_way_to_another_process() -> None:
    options = BuildOptions(flags=("refit",), compute_capabilities=("8.6",), max_aux_streams=0)
    assert BuildOptions.from_json(options.as_json()) == options


def test_trtexecs_flags_are_taken_and_told_again() -> None:
    parser = argparse.ArgumentParser()
    build.add_arguments(parser)
    words = shlex.split(
        "--onnx=a.onnx --saveEngine=a.plan --fp16 --stronglyTyped --skipInference --verbose "
        "--minShapes=x:1x3x32x32 --optShapes=x:8x3x32x320 --maxShapes=x:32x3x32x640 "
        "--timingCacheFile=t --builderOptimizationLevel=3 --memPoolSize=workspace:1024 "
        "--versionCompatible --hardwareCompatibilityLevel=ampere+ --maxAuxStreams=1 --refit "
        "--exportLayerInfo=l.json --dumpLayerInfo --images a b --bucketProfiles"
    )
    options = parser.parse_args(words)
    again = shlex.split(build.command_line(options))
    assert again[:4] == ["python", "-m", "export", "build"]
    assert parser.parse_args(again[4:]) == options


def test_the_command_is_text_whatever_a_file_is_called() -> None:
    parser = argparse.ArgumentParser()
    build.add_arguments(parser)
    options = parser.parse_args(["--onnx", "caf\udce9.onnx", "--saveEngine", "a.plan"])
    build.command_line(options).encode()
    assert "caf\\udce9.onnx" in build.command_line(options)


def test_everything_tells_the_command_that_builds_the_same_engine() -> None:
    options = argparse.Namespace(images=["my crops", "b"], tieTolerance=0.01, engine="tensorrt-rtx")
    told = everything.build_command(options, Path("a b.onnx"), Path("a.plan"))
    parser = argparse.ArgumentParser()
    build.add_arguments(parser)
    again = parser.parse_args(shlex.split(told)[4:])
    assert (again.onnx, again.saveEngine) == (Path("a b.onnx"), Path("a.plan"))
    assert (again.images, again.backend) == (["my crops", "b"], "tensorrt-rtx")
    assert float(again.tieTolerance) == 0.01
