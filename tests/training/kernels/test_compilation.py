"""Where compiled loops are kept, and that nothing stops when they cannot be kept anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="it compiles the loops")

ROOT = Path(__file__).parents[3]
# The module alone: its package would import paddle.
LOOPS = """
import errno, importlib.util, logging, sys
level = logging.INFO if sys.argv[2:] == ["loud"] else logging.WARNING
logging.basicConfig(format="%(message)s", stream=sys.stdout, level=level)
spec = importlib.util.spec_from_file_location("compilation", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
compiled = module.compiled

@compiled(error_model="numpy")
def double(x):
    return 2 * x

@compiled(error_model="numpy")
def triple(x):
    return 3 * x

def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")

if sys.argv[2:] == ["full"]:
    import numba.core.caching
    numba.core.caching.IndexDataCacheFile.save = full
print(double(2) + triple(1))
"""


def run(folder: Path, *arguments: str, **variables: str) -> list[str]:
    """Lines of a program whose folder and home cannot be written, not even by root."""
    (folder / "loops.py").write_text(LOOPS, encoding="utf-8")
    (folder / "__pycache__").touch()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")
    } | {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull, **variables}
    done = subprocess.run(
        [
            sys.executable,
            str(folder / "loops.py"),
            str(ROOT / "training/kernels/compilation.py"),
            *arguments,
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_read_only_install_keeps_them_in_a_temporary_folder_of_its_own(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for _ in range(2):
        line, result = run(tmp_path, TMPDIR=str(temporary))
        assert result == "7"
        assert line.startswith("compiled kernels are kept in ") and "NUMBA_CACHE_DIR" in line
    (folder,) = temporary.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.rglob("*.nbi"))


def test_a_folder_that_others_can_write_is_not_trusted(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    folder = temporary / f"distilrec-kernels-{os.getuid()}"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    line, result = run(tmp_path, TMPDIR=str(temporary))
    assert result == "7"
    assert "is not this user's alone" in line and "compiled in every run" in line
    assert not list(folder.iterdir())


def test_a_named_folder_is_used_without_a_word(tmp_path: Path) -> None:
    assert run(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == ["7"]
    assert list((tmp_path / "cache").rglob("*.nbi"))


def test_it_says_that_it_compiles_before_it_does_and_only_then(tmp_path: Path) -> None:
    folder = str(tmp_path / "cache")
    line, result = run(tmp_path, "loud", NUMBA_CACHE_DIR=folder)
    assert line.startswith("compiling the loops for this machine, once") and result == "7"
    assert run(tmp_path, "loud", NUMBA_CACHE_DIR=folder) == ["7"]


def test_a_full_disk_costs_the_cache_alone(tmp_path: Path) -> None:
    line, result = run(tmp_path, "full", NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert (line, result) == ("compiled kernels are not kept: No space left on device", "7")


def test_code_is_compiled_anew_when_another_file_of_the_loops_changes(tmp_path: Path) -> None:
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    source = (ROOT / "training/kernels/compilation.py").read_text(encoding="utf-8")
    (kernels / "compilation.py").write_text(source, encoding="utf-8")
    (kernels / "sums.py").write_text(
        "from compilation import compiled\n\n@compiled()\ndef step(x):\n    return x + 1\n",
        encoding="utf-8",
    )
    (kernels / "loops.py").write_text(
        "from compilation import compiled\nfrom sums import step\n\n"
        "@compiled()\ndef twice(x):\n    return step(step(x))\n\nprint(twice(0))\n",
        encoding="utf-8",
    )

    def answer() -> str:
        done = subprocess.run(
            [sys.executable, str(kernels / "loops.py")], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert [answer(), answer()] == ["2", "2"]
    changed = (kernels / "sums.py").read_text(encoding="utf-8").replace("x + 1", "x + 5")
    (kernels / "sums.py").write_text(changed, encoding="utf-8")
    assert answer() == "10"


LAYER = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("compilation", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.numba.config.THREADING_LAYER)
"""


@pytest.mark.parametrize(("wanted", "used"), [(None, "omp"), ("workqueue", "workqueue")])
def test_loops_do_not_use_the_threads_that_may_wait_for_ever_at_the_end(
    wanted: str | None, used: str
) -> None:
    environment = {**os.environ, "NUMBA_THREADING_LAYER": wanted or ""}
    if wanted is None:
        del environment["NUMBA_THREADING_LAYER"]
    command = [sys.executable, "-c", LAYER, str(ROOT / "training/kernels/compilation.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [used]
