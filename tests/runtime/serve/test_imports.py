"""Without Ray and FastAPI the service says what is missing; `runtime` stays as light as before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVICE_ONLY = ["ray", "fastapi", "starlette", "uvicorn", "httptools"]
SERVICE_ONLY += ["prometheus_client", "python_multipart"]

BLOCKED = """
import importlib, importlib.abc, pkgutil, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocker())
{code}
"""

IMPORT_ALL = """
import runtime.serve
names = [one.name for one in pkgutil.walk_packages(runtime.serve.__path__, "runtime.serve.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""

SERVE = """
from runtime.serve.__main__ import main
print(main(["--model", sys.argv[1], "--port", "0"]))
"""

PARSE = """
from runtime.serve.__main__ import main
try:
    main(["--help"])
except SystemExit:
    pass
loaded = {one.partition(".")[0] for one in sys.modules}
print(sorted({"numpy", "cv2", "onnxruntime", "ray"} & loaded))
"""


def run(code: str, *arguments: str, blocked: list[str]) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(blocked=blocked, code=code)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_is_imported_without_what_only_a_service_needs() -> None:
    done = run(IMPORT_ALL, blocked=SERVICE_ONLY)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


@pytest.mark.parametrize("missing", ["ray", "fastapi", "uvicorn", "httptools", "prometheus_client"])
def test_what_is_missing_is_named_with_the_remedy(toy_file: Path, missing: str) -> None:
    done = run(SERVE, str(toy_file), blocked=[missing])
    assert done.stdout == "2\n", done.stderr
    assert missing in done.stderr and "pip install 'distilrec[serve]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_line_is_parsed_before_anything_heavy_is_loaded() -> None:
    done = run(PARSE, blocked=[])
    assert done.stdout.endswith("\n[]\n"), done.stderr
