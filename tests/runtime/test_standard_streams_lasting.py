"""Commands whose standard streams are closed, full, or read by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, sys
from runtime.standard_streams import lasting_streams, open_standard_streams
open_standard_streams()
with lasting_streams("stdout", "stderr"):
    for number in range(2000):
        print("a line of progress", number)
        print("a line of progress", number, file=sys.stderr, flush=True)
    sys.stderr.isatty()
    opened = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    assert opened > 2, opened
    os.write(opened, b"done")
"""


def run(tmp_path: Path, redirection: str) -> int:
    """Exit status of the script under a shell's redirection; it has to reach its end."""
    file = tmp_path / "file"
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -c '{SCRIPT}' {file} {redirection}"],
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert file.read_bytes() == b"done", done.stderr
    return done.returncode


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "0<&- >&- 2>&-", "> /dev/full 2>&1"])
def test_the_run_goes_on(tmp_path: Path, redirection: str) -> None:
    if "/dev/full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    assert run(tmp_path, redirection) == 0


def test_a_reader_that_leaves(tmp_path: Path) -> None:
    assert run(tmp_path, "2>&1 | head -n 1; exit ${PIPESTATUS[0]}") == 0
