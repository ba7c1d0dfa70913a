"""Sidecars that are damaged, or hold anything at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engines.sidecar import EngineSidecar
from runtime.errors import ArtifactError, EngineError
from tests.fakes.anything import ANYTHING, RELAXED
from tests.runtime.engines.sidecars import check, made_sidecar


@pytest.fixture
def sidecar() -> EngineSidecar:
    return made_sidecar()


def nested(times: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(times):
        inner = {"inner": [inner]}
    return inner


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
    *("bindings.0.name", "bindings.0.mode", "spec.height", "options.flags", "precision.achieved"),
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
        assert "\n" not in f"{read.achieved} {read.remedy} {read.needs_lean}"
        check(read)
        check(read, library="tensorrt_rtx")
    except (ArtifactError, EngineError) as error:
        assert "\n" not in str(error)
        str(error).encode()
