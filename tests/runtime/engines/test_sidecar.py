from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engines.sidecar import EngineSidecar, sidecar_path
from runtime.engines.sidecar_fields import Binding, numbers_of, this_platform
from runtime.engines.tensors import ShapeRange
from runtime.errors import ArtifactError, EngineError
from runtime.files import sha256_of
from runtime.recognition.spec import RecognizerSpec
from tests.fakes.anything import ANYTHING, RELAXED

PLAN = b"a plan"
REBUILD = "python -m export build --onnx student.onnx --saveEngine student.plan --fp16"


@pytest.fixture
def sidecar(make_spec: Callable[..., RecognizerSpec]) -> EngineSidecar:
    return EngineSidecar(
        task="rec",
        spec=make_spec().as_json(),
        plan_sha256=sha256_of(PLAN),
        onnx_sha256="1" * 64,
        graph_sha256="0123456789abcdef" + "2" * 48,
        library="tensorrt",
        library_version="10.16.1.11",
        profiles=(
            {"pixels": ShapeRange((1, 32, 32, 3), (8, 32, 160, 3), (16, 32, 320, 3))},
            {"pixels": ShapeRange((1, 32, 320, 3), (4, 32, 640, 3), (8, 32, 640, 3))},
        ),
        bindings=(
            Binding("pixels", "uint8", (-1, 32, -1, 3), "input"),
            Binding("classes", "int32", (-1, -1), "output"),
        ),
        rebuild_command=REBUILD,
        driver_version="13.0",
        gpu_name="NVIDIA L4",
        compute_capability="8.9",
        precision={
            "asked": "fp16",
            "achieved": "mixed",
            "kept_fp32": [{"node": "Softmax_1", "operator": "Softmax", "reason": "é"}],
        },
        parity={"lines": 500, "equal": 500},
        options={"workspace_bytes": 2**30},
    )


def check(sidecar: EngineSidecar, **changes: str | None) -> None:
    here: dict[str, str | None] = {
        "plan_sha256": sha256_of(PLAN),
        "library": "tensorrt",
        "library_version": "10.16.1.11",
        "compute_capability": "8.9",
        **changes,
    }
    sidecar.check("student.plan", **here)  # type: ignore[arg-type]


def nested(times: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(times):
        inner = {"inner": [inner]}
    return inner


def test_what_is_written_is_read(sidecar: EngineSidecar, tmp_path: Path) -> None:
    plan = tmp_path / "student.plan"
    path = sidecar.write(plan)
    assert path == sidecar_path(plan) == tmp_path / "student.plan.json"
    assert EngineSidecar.read(plan) == sidecar
    entries = json.loads(path.read_text(encoding="utf-8"))
    assert entries["spec"]["characters"][0] == "a"
    assert entries["profiles"][0]["pixels"]["max"] == [16, 32, 320, 3]
    assert sidecar.engine_name == "distilrec 0123456789abcdef"


@pytest.mark.parametrize("flags", [5, None, {"excludeLeanRuntime": 1}, "excludeLeanRuntime", [[]]])
def test_options_of_any_kind_ask_for_nothing(sidecar: EngineSidecar, flags: Any) -> None:
    assert not replace(sidecar, options={"flags": flags}).needs_lean
    check(replace(sidecar, options={"flags": flags}))


@pytest.mark.parametrize("achieved", [None, 7, ["fp32"], "\ud800", "fp16\x1b[31m", float("nan")])
def test_a_precision_of_any_kind_is_unknown(sidecar: EngineSidecar, achieved: Any) -> None:
    assert replace(sidecar, precision={"achieved": achieved}).achieved == "unknown precision"
    assert sidecar.achieved == "mixed"


def test_a_command_of_any_length_is_kept_and_told_in_one_line(
    sidecar: EngineSidecar, tmp_path: Path
) -> None:
    """The images of a build may be thousands, all named on its command line."""
    command = f"build --images {' '.join(f'crops/line_{number:06}.png' for number in range(9000))}"
    long = replace(sidecar, rebuild_command=command)
    long.write(tmp_path / "student.plan")
    assert EngineSidecar.read(tmp_path / "student.plan") == long
    assert len(long.remedy) < 1100 and command.startswith(long.remedy[:1000])
    strange = replace(sidecar, rebuild_command="build\n\x1b[2Ja")
    with pytest.raises(EngineError) as error:
        check(strange, library="tensorrt_rtx")
    assert str(error.value).endswith(r"rebuild: build\n\x1b[2Ja")


def test_what_a_later_program_adds_is_passed_over(sidecar: EngineSidecar, tmp_path: Path) -> None:
    path = sidecar.write(tmp_path / "student.plan")
    entries = {**json.loads(path.read_text(encoding="utf-8")), "colour": "green"}
    path.write_text(json.dumps(entries), encoding="utf-8")
    assert EngineSidecar.read(tmp_path / "student.plan") == sidecar


def test_files_of_the_first_format_are_read(sidecar: EngineSidecar, tmp_path: Path) -> None:
    """They knew recognisers alone: no task, and shapes of the model's input [N, C, H, W]."""
    path = sidecar.write(tmp_path / "student.plan")
    entries = json.loads(path.read_text(encoding="utf-8"))
    del entries["task"], entries["platform"]
    entries["format_version"] = 1
    entries["profiles"] = [{"min": [1, 3, 32, 32], "opt": [8, 3, 32, 160], "max": [16, 3, 32, 320]}]
    path.write_text(json.dumps(entries), encoding="utf-8")
    read = EngineSidecar.read(tmp_path / "student.plan")
    assert read == replace(sidecar, profiles=sidecar.profiles[:1], platform=None)
    read.write(tmp_path / "again.plan")
    assert EngineSidecar.read(tmp_path / "again.plan") == read


def test_a_plan_of_another_platform_is_refused(sidecar: EngineSidecar) -> None:
    check(replace(sidecar, platform=this_platform()))
    with pytest.raises(EngineError, match=f"platform: expected linux-sparc, got {this_platform()}"):
        check(replace(sidecar, platform="linux-sparc"))


def test_a_plan_alone_is_refused_with_a_command(tmp_path: Path) -> None:
    plan = tmp_path / "student.plan"
    with pytest.raises(ArtifactError) as error:
        EngineSidecar.read(plan)
    assert f"python -m export build --onnx MODEL.onnx --saveEngine {plan}" in str(error.value)
    assert "expected student.plan.json beside it" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda entries: entries.pop("plan_sha256"), "damaged: plan_sha256: expected .* got none"),
        (lambda entries: entries.pop("format_version"), "damaged: format_version: expected"),
        (lambda entries: entries["profiles"][0]["pixels"].pop("opt"), "shapes: opt: .* got None"),
        (lambda entries: entries["profiles"][0]["pixels"].update(opt=[1, 3]), r"got .* \[1, 3\], "),
        (
            lambda entries: entries["profiles"].clear(),
            r"profiles: expected a list of 1 .* got \(\)",
        ),
        (lambda entries: entries.update(profiles=7), "damaged: profiles: expected a list, got 7"),
        (lambda entries: entries["bindings"].append(None), "object with name, dtype, .* got None"),
        (lambda entries: entries["bindings"][0].update(shape=[2**31]), "binding: shape: expected"),
        (lambda entries: entries.pop("task"), "damaged: task: expected .* got none"),
        (lambda entries: entries.update(spec=[]), r"damaged: spec: expected an object, got \[\]"),
        (lambda entries: entries["profiles"][0].clear(), "profiles: expected a list of 1"),
        (
            lambda entries: entries["profiles"][0].update(more=entries["profiles"][0]["pixels"]),
            "profiles: expected shapes of .* dimensions, got .*more",
        ),
        (lambda entries: entries.update(platform=7), "platform: expected a text"),
        (
            lambda entries: entries["bindings"].append(entries["bindings"][0]),
            "bindings: expected a name for each tensor",
        ),
        (lambda entries: entries.update(parity=nested(40)), "up to 32 objects in one another"),
        (lambda entries: entries.update(plan_sha256="0" * 63), "plan_sha256: expected 64 hex"),
        (lambda entries: entries.update(library="onnx"), "library: expected 'tensorrt' or"),
        (lambda entries: entries.update(library_version="new"), "library_version: expected a ver"),
        (lambda entries: entries.update(compute_capability="high"), "compute_capability: expect"),
        (lambda entries: entries.update(target_compute_capabilities=5), "capabilities: expected"),
        (lambda entries: entries.update(version_compatible=1), "expected False or True, got 1"),
        (lambda entries: entries.update(precision=[]), r"precision: expected an object, got \[\]"),
        (lambda entries: entries.update(format_version=3), "expected a format up to 2, got 3"),
    ],
)
def test_a_damaged_sidecar_is_refused(
    sidecar: EngineSidecar, tmp_path: Path, change: Callable[[dict], object], reason: str
) -> None:
    path = sidecar.write(tmp_path / "student.plan")
    entries = json.loads(path.read_text(encoding="utf-8"))
    change(entries)
    path.write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(ArtifactError, match=reason):
        EngineSidecar.read(tmp_path / "student.plan")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (2**25 + 1)]
)
def test_what_is_no_sidecar_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "student.plan.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"rebuild: python -m export build"):
        EngineSidecar.read(tmp_path / "student.plan")


NAMES = (
    *(field.name for field in fields(EngineSidecar)),
    *("profiles.0.pixels.min", "profiles.1.pixels", "profiles.0", "bindings.1"),
    *("bindings.0.shape",),
    *("bindings.0.name", "bindings.0.mode", "spec.height"),
)


@given(name=st.sampled_from(NAMES), value=ANYTHING)
@RELAXED
def test_anything_in_any_field_is_a_sidecar_or_one_error(
    sidecar: EngineSidecar, tmp_path: Path, name: str, value: object
) -> None:
    path = sidecar.write(tmp_path / "student.plan")
    entries = json.loads(path.read_text(encoding="utf-8"))
    *outer, last = (int(part) if part.isdecimal() else part for part in name.split("."))
    part: Any = entries
    for step in outer:
        part = part[step]
    part[last] = value
    path.write_text(json.dumps(entries), encoding="utf-8")
    try:
        read = EngineSidecar.read(tmp_path / "student.plan")
        check(read)
    except (ArtifactError, EngineError) as error:
        assert "\n" not in str(error)
        str(error).encode()


def test_the_machine_that_built_is_accepted(sidecar: EngineSidecar) -> None:
    check(sidecar)
    check(sidecar, compute_capability=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"plan_sha256": "9" * 64}, "SHA-256 of the plan: expected .*, got 9999"),
        ({"library": "tensorrt_rtx"}, "library: expected tensorrt, got tensorrt_rtx"),
        ({"library_version": "10.16.0"}, r"version: expected 10\.16\.1\.11, got 10\.16\.0"),
        ({"library_version": "11.4.1"}, r"version: expected 10\.16\.1\.11, got 11\.4\.1"),
        ({"compute_capability": "9.0"}, r"compute capability: expected 8\.9, got 9\.0"),
    ],
)
def test_a_mismatch_is_one_line_with_the_command(
    sidecar: EngineSidecar, changes: dict[str, str | None], said: str
) -> None:
    with pytest.raises(EngineError, match=said) as error:
        check(sidecar, **changes)
    assert str(error.value).endswith(f"rebuild: {REBUILD}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("built", "here", "runs"),
    [
        ("10.16.1", "10.16.1", True),
        ("10.16.1", "10.17.0", True),
        ("10.16.1", "10.16.0", False),
        ("10.16.1", "11.0.0", True),
        ("8.6.1", "10.12.0", True),
        ("8.6.1", "11.0.0", False),
        ("11.0.0", "10.16.1", False),
        ("10.16.1", "12.0.0", False),
    ],
)
def test_version_compatible_plans_run_in_later_versions(
    sidecar: EngineSidecar, built: str, here: str, runs: bool
) -> None:
    compatible = replace(sidecar, library_version=built, version_compatible=True)
    if runs:
        check(compatible, library_version=here)
    else:
        with pytest.raises(EngineError, match="or a later one"):
            check(compatible, library_version=here)


def test_rtx_plans_run_in_their_own_release_only(sidecar: EngineSidecar) -> None:
    rtx = replace(
        sidecar,
        library="tensorrt_rtx",
        library_version="1.7.1",
        version_compatible=True,
        compute_capability=None,
        target_compute_capabilities=("8.6", "12.0"),
    )
    here: dict[str, str | None] = {"library": "tensorrt_rtx", "library_version": "1.7.1"}
    check(rtx, **here, compute_capability="12.0")
    with pytest.raises(EngineError, match=r"expected 1\.7\.1, got 1\.8\.0"):
        check(rtx, library="tensorrt_rtx", library_version="1.8.0")
    with pytest.raises(EngineError, match=r"expected 8\.6 or 12\.0, got 9\.0"):
        check(rtx, **here, compute_capability="9.0")


@pytest.mark.parametrize(
    ("level", "capability", "runs"),
    [
        ("ampere_plus", "8.0", True),
        ("ampere_plus", "12.0", True),
        ("ampere_plus", "7.5", False),
        ("same_compute_capability", "8.9", True),
        ("same_compute_capability", "8.6", False),
    ],
)
def test_hardware_compatibility(
    sidecar: EngineSidecar, level: str, capability: str, runs: bool
) -> None:
    compatible = replace(sidecar, hardware_compatibility=level)
    if runs:
        check(compatible, compute_capability=capability)
    else:
        with pytest.raises(EngineError, match="compute capability"):
            check(compatible, compute_capability=capability)


def test_a_plan_built_without_a_gpu_leaves_the_capability_to_tensorrt(
    sidecar: EngineSidecar,
) -> None:
    check(replace(sidecar, compute_capability=None), compute_capability="9.0")


def test_impossible_values_are_refused(sidecar: EngineSidecar) -> None:
    with pytest.raises(ArtifactError, match="0 < min <= opt <= max"):
        ShapeRange((2, 3, 32, 32), (1, 3, 32, 32), (4, 3, 32, 32))
    with pytest.raises(ArtifactError, match="expected 'none' or 'ampere_plus'"):
        replace(sidecar, hardware_compatibility="AMPERE")


def test_numbers_of_versions() -> None:
    assert numbers_of("10.16.1.11") == (10, 16, 1, 11)
    assert numbers_of("11.4.0rc1") == (11, 4)
