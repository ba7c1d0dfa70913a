"""Holds a deserialised engine against what its sidecar says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.engines.sidecar import EngineSidecar, sidecar_path
from runtime.errors import ArtifactError

DTYPES = {
    "BOOL": "bool",
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
}
"""TensorRT's names of types, and NumPy's; it has more of them, which NumPy lacks."""


def check_bindings(path: Path, sidecar: EngineSidecar, engine: Any, trt: Any) -> None:
    """Refuse an engine that is not what its sidecar says it is.

    Args:
        path: the plan.
        sidecar: of it.
        engine: deserialised.
        trt: the library's Python module.

    Raises:
        ArtifactError: naming the first difference, or a tensor that cannot be fed or read.
    """
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    modes = {
        name: "input" if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else "output"
        for name in names
    }
    types = {name: engine.get_tensor_dtype(name).name for name in names}
    inputs = [name for name in names if modes[name] == "input"]
    profiles = [
        {
            name: [list(shape) for shape in engine.get_tensor_profile_shape(name, index)]
            for name in inputs
        }
        for index in range(engine.num_optimization_profiles)
    ]
    for what, expected, got in (
        ("name", sidecar.engine_name, engine.name),
        ("inputs and outputs", {binding.name: binding.mode for binding in sidecar.bindings}, modes),
        (
            "types",
            {binding.name: binding.dtype for binding in sidecar.bindings},
            {name: DTYPES.get(dtype, dtype.lower()) for name, dtype in types.items()},
        ),
        (
            "types that NumPy lacks",
            {},
            {name: dtype for name, dtype in types.items() if dtype not in DTYPES},
        ),
        (
            "numbers of dimensions",
            {binding.name: len(binding.shape) for binding in sidecar.bindings},
            {name: len(engine.get_tensor_shape(name)) for name in names},
        ),
        (
            "places",
            dict.fromkeys(names, "DEVICE"),
            {name: engine.get_tensor_location(name).name for name in names},
        ),
        (
            "inputs that decide shapes by their values",
            [],
            [name for name in names if engine.is_shape_inference_io(name)],
        ),
        (
            "profiles",
            [
                {
                    name: [list(shapes.min), list(shapes.opt), list(shapes.max)]
                    for name, shapes in profile.items()
                }
                for profile in sidecar.profiles
            ],
            profiles,
        ),
    ):
        if got != expected:
            raise ArtifactError(
                f"{path}: the plan is not what {sidecar_path(path).name} says: {what}: expected "
                f"{expected}, got {got}; rebuild: {sidecar.remedy}"
            )
