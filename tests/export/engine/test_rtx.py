"""TensorRT-RTX really parses and builds; it needs no GPU for that."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.conversion.model_file import read_model
from export.engine import BuildOptions, EngineRequest, build_engine, child
from export.engine.build import build_plan
from export.engine.child import build_in_child
from export.recognition.engine_graph import engine_graph
from export.recognition.ranges import ranges_for
from runtime.engines.sidecar import EngineSidecar
from runtime.engines.tensorrt.library import load_tensorrt
from runtime.engines.tensors import Profile
from runtime.errors import EngineError
from runtime.files import sha256_of
from runtime.recognition.best_path_session import line_profile
from runtime.recognition.spec import RecognizerSpec

pytest.importorskip("tensorrt_rtx", reason="it is tested here")

ONE = ("8.9",)
SHAPES = {"max": "x:8x3x32x640"}


def profiles_of(spec: RecognizerSpec, asked: Mapping[str, str]) -> list[Profile]:
    """What the engine of a recogniser takes."""
    return [line_profile(shapes) for shapes in ranges_for(spec, asked)]


@pytest.mark.parametrize("is_half", [False, True])
def test_the_student_builds_with_a_profile_for_each_bucket(
    small_student: Path, tmp_path: Path, is_half: bool
) -> None:
    plan = tmp_path / "student.plan"
    request = EngineRequest(
        small_student,
        plan,
        is_half=is_half,
        shapes=SHAPES,
        buckets=[320],
        images=["images"],
        options=BuildOptions(backend="tensorrt-rtx", compute_capabilities=ONE),
    )
    result = build_engine(request)
    sidecar = EngineSidecar.read(plan)
    assert sidecar.plan_sha256 == sha256_of(plan.read_bytes())
    pixels = [profile["pixels"] for profile in sidecar.profiles]
    assert [(profile.min[2], profile.max[2], profile.max[0]) for profile in pixels] == [
        *((32, 320, 8), (352, 640, 8))
    ]
    assert sidecar.precision["achieved"] == ("fp16" if is_half else "fp32")
    assert sidecar.library == "tensorrt_rtx" and sidecar.target_compute_capabilities == ONE
    shapes = {binding.name: (binding.dtype, binding.shape) for binding in sidecar.bindings}
    assert shapes == {
        "pixels": ("uint8", (-1, 32, -1, 3)),
        "content_widths": ("int32", (-1,)),
        "classes": ("int32", (-1, -1)),
        "confidences": ("float32", (-1, -1)),
    }
    assert result["plan_sha256"] == sidecar.plan_sha256


def test_a_target_that_cannot_be_built_for_is_left_out(
    small_student: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Turing has no FP32 matrix product in TensorRT-RTX."""
    plan = tmp_path / "student.plan"
    one_shape = dict.fromkeys(("min", "opt", "max"), "x:1x3x32x64")
    request = EngineRequest(small_student, plan, shapes=one_shape, images=["images"])
    try:
        build_engine(request)
    except EngineError as error:
        pytest.skip(f"the library found is another: {error}")
    targets = EngineSidecar.read(plan).target_compute_capabilities
    assert "8.9" in targets and "7.5" not in targets
    assert "left out compute capability 7.5 and 8.0 by default" in capfd.readouterr().err


def test_every_option_is_taken(small_student: Path) -> None:
    source = read_model(small_student)
    graph = engine_graph(source.model, source.spec).SerializeToString()
    options = BuildOptions(
        backend="tensorrt-rtx",
        hardware_level="ampere+",
        pool_bytes={"workspace": 1 << 30},
        optimization_level=2,
        max_aux_streams=0,
        compute_capabilities=ONE,
        is_detailed=True,
    )
    shapes = dict.fromkeys(("min", "opt", "max"), "x:1x3x32x64")
    built = build_in_child(graph, "distilrec test", profiles_of(source.spec, shapes), options)
    assert len(built.plan) > 100_000 and built.num_layers > 300 and built.gpu is None


def small_graph(nodes: Sequence[onnx.NodeProto], domain: str = "") -> bytes:
    """A graph with an engine's inputs and outputs around some nodes."""
    dimensions = {"pixels": ["N", 32, "W", 3], "content_widths": ["N"]}
    inputs = [
        helper.make_tensor_value_info("pixels", TensorProto.UINT8, dimensions["pixels"]),
        helper.make_tensor_value_info("content_widths", TensorProto.INT32, ["N"]),
    ]
    outputs = [
        helper.make_tensor_value_info("classes", TensorProto.INT32, None),
        helper.make_tensor_value_info("confidences", TensorProto.FLOAT, None),
    ]
    constants = [numpy_helper.from_array(np.array([0], np.int64), "first")]
    graph = helper.make_graph(list(nodes), "small", inputs, outputs, constants)
    imports = [helper.make_opsetid("", 14), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()


def unknown_operator() -> bytes:
    return small_graph(
        [
            helper.make_node("Cast", ["pixels"], ["f"], name="cast", to=TensorProto.FLOAT),
            helper.make_node("Sparkle", ["f"], ["confidences"], name="shiny", domain="acme"),
            helper.make_node("Neg", ["content_widths"], ["classes"], name="neg"),
        ],
        "acme",
    )


def data_dependent_if() -> bytes:
    """Which shape comes out depends on a pixel."""
    branches = []
    for kind in ("Neg", "Flatten"):
        result = helper.make_tensor_value_info(f"z_{kind}", TensorProto.FLOAT, None)
        node = helper.make_node(kind, ["f"], [f"z_{kind}"], name=f"in_{kind}")
        branches.append(helper.make_graph([node], kind, [], [result]))
    return small_graph(
        [
            helper.make_node("Cast", ["pixels"], ["f"], name="cast", to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["f"], ["flat"], name="flat", axis=0),
            helper.make_node("ReduceMax", ["flat"], ["most"], name="most", keepdims=0),
            helper.make_node("Cast", ["most"], ["c"], name="choice", to=TensorProto.BOOL),
            helper.make_node(
                *("If", ["c"], ["confidences"]),
                name="branch",
                then_branch=branches[0],
                else_branch=branches[1],
            ),
            helper.make_node("Neg", ["content_widths"], ["classes"], name="neg"),
        ]
    )


@pytest.mark.parametrize(
    ("make", "named"),
    [(unknown_operator, r"Sparkle 'shiny'"), (data_dependent_if, "branch_OutputLayer")],
)
def test_a_bad_graph_is_an_error_that_names_the_node(make, named: str) -> None:
    spec = RecognizerSpec(characters=("a",))
    options = BuildOptions(backend="tensorrt-rtx", compute_capabilities=ONE)
    library = load_tensorrt("tensorrt-rtx")
    with pytest.raises(EngineError, match=named) as error:
        build_plan(library, make(), "bad", profiles_of(spec, {}), options)
    assert "\n" not in str(error.value)
    with pytest.raises(EngineError, match=named):
        build_in_child(make(), "bad", profiles_of(spec, {}), options)


def test_a_switch_that_cannot_be_had_is_named(small_student: Path) -> None:
    """TensorRT-RTX has no lean runtime to put into the plan."""
    source = read_model(small_student)
    graph = engine_graph(source.model, source.spec).SerializeToString()
    shapes = dict.fromkeys(("min", "opt", "max"), "x:1x3x32x64")
    options = BuildOptions(
        backend="tensorrt-rtx", flags=("versionCompatible",), compute_capabilities=ONE
    )
    with pytest.raises(EngineError, match=r"lean.*try without --versionCompatible"):
        build_in_child(graph, "distilrec test", profiles_of(source.spec, shapes), options)


def test_a_crash_of_the_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run

    def crashing(command: list[str], **options: object) -> object:
        program = f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"
        return real([sys.executable, "-c", program], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(child.subprocess, "run", crashing)
    spec = RecognizerSpec(characters=("a",))
    with pytest.raises(EngineError, match=r"crashed \(SIGSEGV\): expected a plan, got none"):
        build_in_child(b"", "none", profiles_of(spec, {}), BuildOptions())


def test_an_engine_builds_where_paddle_never_was(small_student: Path, tmp_path: Path) -> None:
    plan = tmp_path / "student.plan"
    words = ["build", "--onnx", str(small_student), "--saveEngine", str(plan)]
    words += ["--shapes=x:1x3x32x64", "--computeCapability=8.9", "--backend=tensorrt-rtx"]
    program = (
        "import sys; sys.modules['paddle'] = None\n"
        "from export.__main__ import main\n"
        f"sys.exit(main({words!r}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('{"plan": ') and result.stdout.count("\n") == 1
    assert "no GPU here: the engine was built but not run" in result.stderr
    sidecar = EngineSidecar.read(plan)
    assert sidecar.rebuild_command.startswith("python -m export build --onnx=")
