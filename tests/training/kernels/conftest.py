"""The compiled loops, and everything as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import paddle
import pytest

from training.kernels import set_fast_path
from training.kernels.gate import fast_path_enabled


@pytest.fixture
def kernels() -> Iterator[None]:
    """Skip where numba is not installed; switch the loops on, and float32 on again afterwards."""
    set_fast_path(True)  # another test's run may have left them off
    if not fast_path_enabled():
        pytest.skip("numba is not installed")
    yield
    set_fast_path(True)
    paddle.set_default_dtype("float32")
