"""A sidecar as a build writes it, and the machine that it was built on."""

from __future__ import annotations

from runtime.engines.sidecar import EngineSidecar
from runtime.engines.sidecar_fields import Binding
from runtime.engines.tensors import ShapeRange
from runtime.files import sha256_of
from tests.runtime.conftest import toy_spec

PLAN = b"a plan"
REBUILD = "python -m export build --onnx student.onnx --saveEngine student.plan --fp16"


def made_sidecar() -> EngineSidecar:
    """Describe a recogniser's plan that was built on an L4."""
    return EngineSidecar(
        task="rec",
        spec=toy_spec().as_json(),
        plan_sha256=sha256_of(PLAN),
        onnx_sha256="1" * 64,
        graph_sha256="0123456789abcdef" + "2" * 48,
        library="tensorrt",
        library_version="10.16.1.11",
        profiles=(
            {"pixels": ShapeRange((1, 32, 32, 3), (8, 32, 160, 3), (16, 32, 320, 3))},
            {"pixels": ShapeRange((1, 32, 320, 3), (4, 32, 640, 3), (8, 32, 640, 3))},
        ),
        bindings=(
            Binding("pixels", "uint8", (-1, 32, -1, 3), "input"),
            Binding("classes", "int32", (-1, -1), "output"),
        ),
        rebuild_command=REBUILD,
        driver_version="13.0",
        gpu_name="NVIDIA L4",
        compute_capability="8.9",
        precision={
            "asked": "fp16",
            "achieved": "mixed",
            "kept_fp32": [{"node": "Softmax_1", "operator": "Softmax", "reason": "é"}],
        },
        parity={"lines": 500, "equal": 500},
        options={"workspace_bytes": 2**30},
    )


def check(sidecar: EngineSidecar, **changes: str | None) -> None:
    """Check it against the machine that built it, with some things changed."""
    here: dict[str, str | None] = {
        "plan_sha256": sha256_of(PLAN),
        "library": "tensorrt",
        "library_version": "10.16.1.11",
        "compute_capability": "8.9",
        **changes,
    }
    sidecar.check("student.plan", **here)  # type: ignore[arg-type]
