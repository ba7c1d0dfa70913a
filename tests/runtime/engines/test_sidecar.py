from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.engines.sidecar import EngineSidecar, sidecar_path
from runtime.engines.sidecar_fields import numbers_of, this_platform
from runtime.engines.tensors import ShapeRange
from runtime.errors import ArtifactError, EngineError
from tests.runtime.engines.sidecars import REBUILD, check, made_sidecar


@pytest.fixture
def sidecar() -> EngineSidecar:
    return made_sidecar()


def test_what_is_written_is_read(sidecar: EngineSidecar, tmp_path: Path) -> None:
    plan = tmp_path / "student.plan"
    path = sidecar.write(plan)
    assert path == sidecar_path(plan) == tmp_path / "student.plan.json"
    assert EngineSidecar.read(plan) == sidecar
    entries = json.loads(path.read_text(encoding="utf-8"))
    assert entries["spec"]["characters"][0] == "a"
    assert entries["profiles"][0]["pixels"]["max"] == [16, 32, 320, 3]
    assert sidecar.engine_name == "distilrec 0123456789abcdef"


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
