from __future__ import annotations

import ctypes
from typing import Any

import pytest

from runtime.engines.cuda import driver
from runtime.engines.cuda.driver import gpu_name


class Driver:
    """libcuda of two GPUs; arguments are what ctypes would pass."""

    def __init__(self, status: int = 0) -> None:
        self.status, self.is_initialised = status, False

    def cuInit(self, flags: Any) -> int:
        assert isinstance(flags, ctypes.c_uint) and flags.value == 0
        self.is_initialised = self.status == 0
        return self.status

    def cuDeviceGet(self, device: Any, ordinal: Any) -> int:
        assert self.is_initialised
        if ordinal.value > 1:
            return 101
        device._obj.value = 10 + ordinal.value
        return 0

    def cuDeviceGetName(self, name: Any, length: Any, device: Any) -> int:
        assert len(name) > length.value
        name.value = f"NVIDIA L{device.value}".encode()
        return 0


def test_the_driver_tells_a_gpus_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_driver", Driver)
    assert [gpu_name(number) for number in (0, 1, 2)] == ["NVIDIA L10", "NVIDIA L11", ""]
    monkeypatch.setattr(driver, "_driver", lambda: Driver(100))
    assert gpu_name(0) == ""


def test_without_a_driver_there_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert gpu_name(0) == ""
