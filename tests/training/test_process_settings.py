"""The process settings: what they set, what they respect, and that they come before paddle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training import process_settings
from training.process_settings import apply_process_settings

ROOT = Path(__file__).resolve().parents[2]
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
VARIABLES = (
    *THREAD_VARIABLES,
    "NUMBA_THREADING_LAYER",
    "KMP_BLOCKTIME",
    "OMP_WAIT_POLICY",
    "MKL_DEBUG_CPU_TYPE",
)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No relevant variable set, and this process's memory and libraries left alone."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that it is put back even if the code sets it
        monkeypatch.delenv(name)
    monkeypatch.setattr(process_settings, "available_cpus", lambda: 3)
    monkeypatch.setattr(process_settings, "_keep_large_blocks", lambda: {"top_pad": 1})
    monkeypatch.setattr(process_settings, "_share_openmp", lambda: Path("libiomp5.so"))
    monkeypatch.setattr(process_settings, "_limit_opencv", lambda threads: None)
    monkeypatch.setattr(process_settings, "_cpu_is_amd", lambda: False)
    for name in ("paddle", "numba"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return monkeypatch


def test_threads_come_from_the_cpus_of_this_process(bare: pytest.MonkeyPatch) -> None:
    settings = apply_process_settings()
    assert settings.threads == 3
    for name in THREAD_VARIABLES:
        assert os.environ[name] == settings.environment[name] == "3"
    assert "3 CPU threads" in settings.summary()


def test_the_user_s_own_value_stays(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OMP_NUM_THREADS", "1")
    settings = apply_process_settings()
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in settings.environment


def test_one_option_switches_everything_off(bare: pytest.MonkeyPatch) -> None:
    bare.setattr(process_settings, "_keep_large_blocks", lambda: pytest.fail("touched malloc"))
    bare.setattr(process_settings, "_share_openmp", lambda: pytest.fail("loaded a library"))
    settings = apply_process_settings(enabled=False)
    assert not settings.enabled
    assert not settings.environment
    assert not any(name in os.environ for name in VARIABLES)
    assert settings.summary() == "process settings: off"


@pytest.mark.parametrize("amd", [True, False])
def test_mkl_is_told_about_amd_only_there(bare: pytest.MonkeyPatch, amd: bool) -> None:
    bare.setattr(process_settings, "_cpu_is_amd", lambda: amd)
    assert apply_process_settings().environment.get("MKL_DEBUG_CPU_TYPE") == ("5" if amd else None)


def test_separate_openmp_pools_wait_without_spinning(bare: pytest.MonkeyPatch) -> None:
    assert "OMP_WAIT_POLICY" not in apply_process_settings().environment
    for name in VARIABLES:
        bare.delenv(name, raising=False)
    bare.setattr(process_settings, "_share_openmp", lambda: None)
    settings = apply_process_settings()
    assert settings.environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert settings.environment["KMP_BLOCKTIME"] == "0"
    assert "separate OpenMP pools" in settings.summary()


def test_coming_after_paddle_is_reported(bare: pytest.MonkeyPatch) -> None:
    bare.setitem(sys.modules, "paddle", pytest)
    settings = apply_process_settings()
    assert settings.shared_openmp is None
    assert "paddle imported earlier" in settings.summary()


def test_a_fresh_process_gets_them_before_paddle_loads() -> None:
    code = (
        "import sys; from training.process_settings import apply_process_settings as apply\n"
        "first = apply(); second = apply()\n"
        "loaded = {'paddle', 'numba'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
        "assert not second.environment, second\n"
        "assert first.malloc_bytes == second.malloc_bytes\n"
        "maps = open('/proc/self/maps').read() if first.shared_openmp else ''\n"
        "assert not first.shared_openmp or str(first.shared_openmp) in maps\n"
        "print(first.summary())"
    )
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("process settings: ")
    assert "OMP_NUM_THREADS=" in done.stdout
