"""The GPU's tests are run on the fakes, so that what is wrong with a test is not found on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.tensorrt import VERSIONS

pytestmark = pytest.mark.slow

_QUICK = "limits or ties or turns or capture"


@pytest.mark.parametrize("version", list(VERSIONS))
def test_the_gpus_tests_pass_on_a_fake_machine(version: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.fakes.machine", "-m", "gpu"]
    done = subprocess.run(
        [*command, "-k", _QUICK, str(Path(__file__).parent)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "DISTILREC_FAKE_TENSORRT": version},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert " passed" in done.stdout and "failed" not in done.stdout
