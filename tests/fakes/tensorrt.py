"""A module that looks like TensorRT of some version, and builds and runs ONNX models."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from tests.fakes import tensorrt_build, tensorrt_context, tensorrt_network, tensorrt_run
from tests.fakes.cuda import FakeCuda
from tests.fakes.signatures import Overload, check_call, check_result, signatures
from tests.fakes.strict import Strict, is_enum, read_api, strict_class, strict_enum

VERSIONS = {"10.16": "10.16.1.11", "11.4": "11.4.1.9", "rtx-1.7": "1.7.1.116"}
_SEVERITIES = ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE")
_DTYPES = {"FLOAT": "float32", "HALF": "float16", "UINT8": "uint8", "BOOL": "bool"}


@dataclass
class Wishes:
    """What the fake is to do wrong.

    Args:
        unsupported_operators: that the parser refuses.
        max_buildable_batch: no tactic is found for larger ones.
        no_contexts: whether contexts cannot be made.
        refuses_capture: whether running a context spoils a capture.
        failing_runs: how many of the next runs fail.
        refuses_profiles: whether switching to another profile is an error.
        spoils_replays: whether a graph replays other bits than the run it was made from.
        capturable: whether TensorRT-RTX can capture a context's work.
        makes_nothing: whether the library gives null for a runtime or a builder.
    """

    unsupported_operators: tuple[str, ...] = ()
    max_buildable_batch: int | None = None
    no_contexts: bool = False
    refuses_capture: bool = False
    failing_runs: int = 0
    refuses_profiles: bool = False
    spoils_replays: bool = False
    capturable: bool = True
    makes_nothing: bool = False


class _Nothing:
    """No behaviour."""


class _Dims(tuple):
    """Sizes; compares and unpacks as a tuple does."""


def fake_tensorrt(version: str, cuda: FakeCuda, release: str | None = None) -> ModuleType:
    """A module with the attributes of a real one; skips the test where these are not at hand.

    Args:
        version: one of `VERSIONS`.
        cuda: what it runs on.
        release: what `__version__` says, another than the usual one when given.

    Returns:
        `tensorrt` or `tensorrt_rtx`; `_wishes`, `_alive` (engines and contexts that are still held)
        and `_runtime_configs` (likewise) are the test's.
    """
    module = ModuleType("tensorrt_rtx" if version.startswith("rtx") else "tensorrt")
    trt: Any = module
    trt.__version__ = release or VERSIONS[version]
    trt._cuda, trt._wishes, trt._alive = cuda, Wishes(), weakref.WeakSet()
    trt._runtime_configs = weakref.WeakSet()
    api = read_api(version)
    for name, attributes in api.items():
        if name[0].islower() or name in ("Logger", "ILogger"):
            continue
        if is_enum(name, attributes):
            setattr(trt, name, strict_enum(name, attributes))
        elif not name.startswith("Dims"):
            setattr(trt, name, _made(trt, version, name, attributes, (Strict,)))
    severity = strict_enum("Severity", _SEVERITIES)
    levels = {level.name: level for level in severity}
    trt.ILogger = _made(trt, version, "ILogger", api["ILogger"], (Strict,), levels)
    trt.Logger = _made(
        trt, version, "Logger", api["Logger"], (trt.ILogger,), {**levels, "Severity": severity}
    )
    memory = _made(trt, version, "IHostMemory", api["IHostMemory"], (Strict, bytearray))
    trt.IHostMemory = memory
    trt.Dims = _Dims
    trt.nptype = lambda dtype: np.dtype(_DTYPES.get(dtype.name, dtype.name.lower())).type
    trt.volume = math.prod
    trt.init_libnvinfer_plugins = lambda logger, namespace: True
    return module


def _made(
    trt: Any,
    version: str,
    name: str,
    attributes: list[str],
    bases: tuple[type, ...],
    members: dict[str, Any] | None = None,
) -> type:
    behaviour = next(
        (
            getattr(part, name)
            for part in (tensorrt_network, tensorrt_build, tensorrt_run, tensorrt_context)
            if hasattr(part, name)
        ),
        _Nothing,
    )
    made = strict_class(name, attributes, behaviour, bases, members or {})
    made._trt = trt  # type: ignore[attr-defined]
    for method, overloads in signatures(version).get(name, {}).items():
        real = vars(made).get(method)
        if isinstance(real, FunctionType):
            setattr(made, method, _checked(trt, name, real, overloads))
    return made


def _checked(trt: Any, owner: str, method: Any, overloads: list[Overload]) -> Any:
    """A method that takes what the real one takes, and gives what it gives."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_call(trt, owner, method.__name__, overloads, args, kwargs)
        result = method(self, *args, **kwargs)
        check_result(trt, owner, method.__name__, overloads, result)
        return result

    return call
