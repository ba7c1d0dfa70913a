"""The runtime lives on the standard library, NumPy and OpenCV."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
GPU_ONLY = ["tensorrt", "tensorrt_rtx", "cuda", "pycuda"]
ON_CLUSTERS = ["ray", "pyarrow"]
NOT_AT_IMPORT = [
    *("paddle", "torch", "PIL", "yaml", "tqdm", "onnx", "onnxruntime", "pyclipper"),
    *GPU_ONLY,
    *ON_CLUSTERS,
]
OURS = ["training", "export", "benchmarks"]

IMPORT_ALL = """
import importlib, importlib.abc, json, pkgutil, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in json.loads(sys.argv[1]):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
import runtime
names = [one.name for one in pkgutil.walk_packages(runtime.__path__, "runtime.")]
for name in names:
    importlib.import_module(name)
print(json.dumps(names))
"""

INFER = """
import json, sys
from runtime.infer.__main__ import main
status = main(sys.argv[1:])
print(json.dumps([status, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_every_module_is_imported_without_the_optional_libraries() -> None:
    names = json.loads(run(IMPORT_ALL, json.dumps(NOT_AT_IMPORT + OURS)))
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "runtime").rglob("*.py")
    }
    assert {"runtime", *names} == files
    assert len(files) > 10


def test_reading_an_image_loads_no_paddle(toy_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    image = tmp_path / "line.png"
    cv2.imwrite(str(image), np.full((32, 90), 255, dtype=np.uint8))
    status, loaded = json.loads(run(INFER, str(image), "--model", str(toy_path), "--quiet"))
    assert status == 0
    assert {"onnxruntime", "cv2"} <= set(loaded)
    assert not set(loaded) & {"paddle", "torch", "PIL", "yaml", "tqdm", *GPU_ONLY, *OURS}


PARSE = """
import sys
from runtime.infer.__main__ import main
try:
    main(["--help"])
except SystemExit:
    pass
print(sorted({name.partition(".")[0] for name in sys.modules} & {"numpy", "cv2", "onnxruntime"}))
"""


def test_a_command_line_is_parsed_before_anything_heavy_is_loaded() -> None:
    assert run(PARSE) == "[]"


def test_everything_on_offer_is_there() -> None:
    import runtime

    for name in runtime.__all__:
        assert getattr(runtime, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = runtime.nothing
