"""What the driver says of a GPU, asked without any package: onnxruntime brings none that tells.

Source: NVIDIA's CUDA driver API, cuInit, cuDeviceGet, cuDeviceGetName.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_NAME_LENGTH = 256


def gpu_name(device_id: int) -> str:
    """Return the name of a GPU, as CUDA_VISIBLE_DEVICES numbers them; empty where none answers."""
    try:
        driver = _driver()
    except OSError:
        return ""
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_LENGTH)
    is_known = (
        driver.cuInit(ctypes.c_uint(0)) == 0
        and driver.cuDeviceGet(ctypes.byref(device), ctypes.c_int(device_id)) == 0
        and driver.cuDeviceGetName(name, ctypes.c_int(_NAME_LENGTH - 1), device) == 0
    )
    return name.value.decode("utf-8", "replace") if is_known else ""


def _driver() -> Any:
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
