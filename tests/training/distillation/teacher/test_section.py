"""What a config may say of a teacher that is an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ArtifactError
from runtime.files import sha256_of
from training.distillation.teacher.cache import FILE_NAME
from training.distillation.teacher.section import (
    TeacherPlan,
    is_teacher,
    read_teacher,
    user_cache,
)
from training.registry import Problems

PATH = "Architecture.Models.Teacher"


def read(**section: Any) -> tuple[TeacherPlan | None, list[str]]:
    problems = Problems()
    keys = frozenset({"height_px", "blank"})
    plan = read_teacher({"onnx": "m.onnx", **section}, "Teacher", PATH, keys, problems)
    return plan, list(map(str, problems))


def test_a_section_is_read_with_its_defaults() -> None:
    assert is_teacher({"onnx": "m.onnx"})
    assert not is_teacher({"Backbone": {}}) and not is_teacher(None)
    plan, problems = read(freeze_params=True, height_px=48, blank=None)
    assert problems == []
    assert plan == TeacherPlan("Teacher", PATH, "m.onnx", None, 2048, {"height_px": 48})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"onnx": 3}, "onnx: expected a file ending in .onnx, got 3"),
        ({"onnx": "m.plan"}, "onnx: expected a file ending in .onnx, got 'm.plan'"),
        ({"freeze_params": False}, "freeze_params: an ONNX file cannot learn: expected true, got"),
        ({"cache_mib": True}, "cache_mib: expected 0 to 1048576 MiB, got True"),
        ({"cache_mib": 2**30}, "cache_mib: expected 0 to 1048576 MiB"),
        ({"cache_dir": []}, "cache_dir: expected a folder, got []"),
        ({"height": 48}, "height: unknown key of a network that is an ONNX file 'height'"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(section: dict[str, Any], message: str) -> None:
    plan, (problem,) = read(**section)
    assert plan is None and problem.startswith(f"{PATH}.{message}")


def test_a_nearly_right_key_is_named() -> None:
    _, (problem,) = read(height=48)
    assert problem.endswith("did you mean height_px?")


def test_where_readings_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, _ = read(cache_dir=str(tmp_path), cache_mib=3)
    assert plan is not None
    assert plan.cache.path == tmp_path / FILE_NAME and plan.cache.most_bytes == 3 * 2**20
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    plan, _ = read()
    assert plan is not None and plan.cache.path == tmp_path / "own" / "distilrec" / FILE_NAME
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache() == tmp_path / ".cache" / "distilrec"


def test_the_hash_is_that_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    plan = TeacherPlan("Teacher", PATH, str(tmp_path / "m.onnx"))
    with pytest.raises(ArtifactError, match=r"cannot read the teacher .*expected an ONNX file"):
        _ = plan.sha256
    for content in (b"one", b"another"):
        Path(plan.onnx).write_bytes(content)
        assert plan.sha256 == sha256_of(content)
