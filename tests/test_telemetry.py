"""onnxruntime reports nothing, whichever module of the project brings it in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.conftest import toy_spec, write_toy_model

pytest.importorskip("onnxruntime", reason="its telemetry is switched off")

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("runtime", "training", "export", "benchmarks")
IMPORT = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            assert os.environ.get("ORT_DISABLE_TELEMETRY") == "1"
        return None

sys.meta_path.insert(0, Watch())
for module in sys.argv[1:]:
    importlib.import_module(module)
    assert os.environ.get("ORT_DISABLE_TELEMETRY") == "1", module
"""


def modules_with_onnxruntime() -> list[str]:
    """Every module whose text imports it, in any way."""
    found = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            lines = path.read_text(encoding="utf-8").splitlines()
            starts = ("import onnxruntime", "from onnxruntime")
            if any(line.strip().startswith(starts) for line in lines):
                found.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", modules_with_onnxruntime())
def test_it_is_off_before_any_module_imports_onnxruntime(module: str) -> None:
    done = run("-c", IMPORT, module)
    assert done.returncode == 0, done.stderr


def test_reading_writes_nothing_below_the_home_folder(tmp_path: Path) -> None:
    home, model = tmp_path / "home", write_toy_model(tmp_path / "toy.onnx", spec=toy_spec())
    home.mkdir()
    folders = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    code = (
        "import sys, numpy as np; from runtime import Recognizer\n"
        "with Recognizer(sys.argv[1], device='cpu') as recognizer:\n"
        "    assert recognizer([np.zeros((32, 90, 3), np.uint8)])[0].error is None"
    )
    done = run("-c", code, str(model), **folders)
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


def test_who_wants_it_keeps_it() -> None:
    code = "import os, runtime; assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'"
    done = run("-c", code, ORT_DISABLE_TELEMETRY="0")
    assert done.returncode == 0, done.stderr
