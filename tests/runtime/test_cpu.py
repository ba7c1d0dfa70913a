import os
import platform
from pathlib import Path

import pytest

from runtime import cpu as cpu_budget
from runtime.cpu import available_cpus, cpu_kind, cpu_name, sums_8_bit_exactly


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def budget(root: Path, membership: str, files: dict[str, str]) -> int:
    for name, content in files.items():
        file = root / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (root / "membership").write_text(membership)
    return available_cpus(root / "cgroup", root / "membership")


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("300000 100000", 3), ("350000 100000", 3), ("50000 100000", 1), ("max 100000", 8)],
)
def test_quota_of_version_2(tmp_path: Path, quota: str, cpus: int) -> None:
    assert budget(tmp_path, "0::/a/b\n", {"a/b/cpu.max": quota}) == cpus


def test_the_tightest_level_counts(tmp_path: Path) -> None:
    files = {"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000", "cpu.max": "max 100000"}
    assert budget(tmp_path, "0::/a/b\n", files) == 2


def test_in_a_container_the_root_holds_the_quota(tmp_path: Path) -> None:
    assert budget(tmp_path, "0::/docker/ab12\n", {"cpu.max": "200000 100000"}) == 2


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "cpus"), [("250000", 2), ("-1", 8)])
def test_quota_of_version_1(tmp_path: Path, mount: str, quota: str, cpus: int) -> None:
    files = {f"{mount}/job/cpu.cfs_quota_us": quota, f"{mount}/job/cpu.cfs_period_us": "100000"}
    membership = "5:memory:/job\n4:cpu,cpuacct:/job\n0::/\n"
    assert budget(tmp_path, membership, files) == cpus


def test_without_cgroups_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path / "none", tmp_path / "nothing") == 8


def test_a_generous_quota_does_not_add_cpus(tmp_path: Path) -> None:
    assert budget(tmp_path, "0::/\n", {"cpu.max": "6400000 100000"}) == 8


def test_this_machine_has_at_least_one() -> None:
    assert cpu_budget.available_cpus() >= 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: A\nflags\t\t: fpu avx2 avx512f avx512_vnni\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd asimddp\n", True),
        ("Features\t: fp asimd\n", False),
        ("processor : 0\n", None),
    ],
)
def test_told_by_the_cpus_flags(tmp_path: Path, text: str, expected: bool | None) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert sums_8_bit_exactly(file) is expected


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert sums_8_bit_exactly(tmp_path / "none") is None


X86 = """processor : 0
model name\t: A CPU @ 2 GHz
flags\t\t: fpu avx512_bf16 sse avx2 fma
processor : 1
model name\t: Another
flags\t\t: fpu
"""


def test_the_kind_is_what_decides_the_arithmetic(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(X86)
    assert cpu_kind(file) == f"{platform.machine()}: avx2 fma avx512_bf16"
    assert cpu_name(file) == "A CPU @ 2 GHz"
    file.write_text(X86.replace("sse ", "sse4_2 "))
    assert cpu_kind(file) == f"{platform.machine()}: avx2 fma avx512_bf16"
    file.write_text("Features : fp asimd bf16")
    assert cpu_kind(file) == f"{platform.machine()}: asimd bf16"


def test_an_unknown_kind(tmp_path: Path) -> None:
    assert cpu_kind(tmp_path / "none") is None
    assert cpu_name(tmp_path / "none") == platform.machine()
