"""What stands beside a TensorRT plan, `<plan>.json`, and is checked before the plan is opened.

TensorRT answers a plan that does not fit with null and a log line. So everything it needs is
written down when the plan is built, and compared here first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from runtime.engines.sidecar_parts import REMEDY, Binding, Profile, parts_of
from runtime.errors import ArtifactError, EngineError
from runtime.fields import (
    Field,
    check_fields,
    choice,
    mapping,
    matching,
    optional,
    sha256,
    shown,
    text,
    whole,
)
from runtime.files import written_atomically
from runtime.recognition.spec import SPEC_KEY, RecognizerSpec

FORMAT_VERSION = 1
PIXELS, CONTENT_WIDTHS = "pixels", "content_widths"
CLASSES, CONFIDENCES = "classes", "confidences"
INPUTS, OUTPUTS = (PIXELS, CONTENT_WIDTHS), (CLASSES, CONFIDENCES)
"""Bindings of every engine: uint8 [N, H, W, C] and int32 [N] -> int32 [N, T] and float32 [N, T]."""
HARDWARE_LEVELS = ("none", "ampere_plus", "same_compute_capability")

_NEXT_MAJOR = {8: 10, 10: 11}
"""Majors whose version-compatible plans run in one later major, as the support matrix says."""
_MAX_BYTES = 32 * 2**20
_CAPABILITY = matching(r"[0-9]{1,3}\.[0-9]{1,3}", "a compute capability such as '8.6'")
_SIDECAR_FIELDS = {
    "plan_sha256": sha256(),
    "onnx_sha256": sha256(),
    "graph_sha256": sha256(),
    "library": choice("tensorrt", "tensorrt_rtx"),
    "library_version": matching(
        r"[0-9]{1,6}(\.[0-9A-Za-z]{1,20}){0,8}", "a version such as '10.16.1'"
    ),
    "profiles": parts_of(Profile),
    "bindings": parts_of(Binding),
    "rebuild_command": text(longest=65_536),
    "driver_version": optional(text()),
    "gpu_name": optional(text()),
    "compute_capability": optional(_CAPABILITY),
    "target_compute_capabilities": Field(
        "a list of compute capabilities such as '8.6'",
        lambda value: isinstance(value, tuple) and all(map(_CAPABILITY.accepts, value)),
    ),
    "version_compatible": choice(False, True),
    "hardware_compatibility": choice(*HARDWARE_LEVELS),
    "precision": mapping(),
    "parity": mapping(),
    "options": mapping(),
    "format_version": whole(1, FORMAT_VERSION),
}
_LIST = Field("a list", lambda value: isinstance(value, list))
_TOLD = ("plan_sha256", "onnx_sha256", "graph_sha256", "library", "library_version")
_ENTRY_FIELDS = {
    **{name: _SIDECAR_FIELDS[name] for name in (*_TOLD, "rebuild_command", "format_version")},
    **{"spec": mapping(), "profiles": _LIST, "bindings": _LIST},
}
"""What JSON must hold before it can be made a description; the rest has defaults."""


@dataclass(frozen=True)
class EngineSidecar:
    """What a plan is, what it was made from and where it runs.

    Args:
        spec: of the recogniser; its width policy may be wider than the profiles.
        plan_sha256: of the plan file.
        onnx_sha256: of the FP32 model that was given.
        graph_sha256: of the engine graph that was built; names the network, see `engine_name`.
        library: `tensorrt` or `tensorrt_rtx`.
        library_version: of `library`.
        profiles: in the order of the engine's.
        bindings: inputs and outputs.
        rebuild_command: the command line that makes the plan again.
        driver_version, gpu_name, compute_capability: of the machine that built, `8.6` and the
            like; None when it had no GPU.
        target_compute_capabilities: what the plan was built for, `8.6` and the like (TensorRT-RTX);
            empty when that is the machine that built.
        version_compatible: whether later versions of the library may run it.
        hardware_compatibility: one of `HARDWARE_LEVELS`.
        precision: `asked`, `achieved` and `kept_fp32`, a list of node, operator and reason.
        parity: what was measured.
        options: of the build.
    """

    spec: RecognizerSpec
    plan_sha256: str
    onnx_sha256: str
    graph_sha256: str
    library: str
    library_version: str
    profiles: tuple[Profile, ...]
    bindings: tuple[Binding, ...]
    rebuild_command: str
    driver_version: str | None = None
    gpu_name: str | None = None
    compute_capability: str | None = None
    target_compute_capabilities: tuple[str, ...] = ()
    version_compatible: bool = False
    hardware_compatibility: str = "none"
    precision: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        check_fields(vars(self), _SIDECAR_FIELDS, "the engine's description is unusable", REMEDY)

    @property
    def engine_name(self) -> str:
        """Name of the network inside the plan, which ties the plan to this file."""
        return f"distilrec {self.graph_sha256[:16]}"

    def write(self, plan: str | Path) -> Path:
        """Write this beside a plan, whole or not at all.

        Args:
            plan: path of the plan.

        Returns:
            the path written.
        """
        entries = asdict(self)
        entries["spec"] = json.loads(self.spec.to_metadata()[SPEC_KEY])
        path = sidecar_path(plan)
        with written_atomically(path) as stream:
            stream.write(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def read(cls, plan: str | Path) -> EngineSidecar:
        """Read what stands beside a plan.

        Args:
            plan: path of the plan.

        Raises:
            ArtifactError: if the file is missing, damaged or of a newer format.
        """
        path = sidecar_path(plan)
        again = f"rebuild: python -m export build --onnx MODEL.onnx --saveEngine {plan}"
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except FileNotFoundError as error:
            raise ArtifactError(
                f"{plan}: what the plan is cannot be told: expected {path.name} beside it, got no "
                f"such file; copy it too, or {again}"
            ) from error
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read ({error}); {again}") from error
        if len(content) > _MAX_BYTES:
            raise ArtifactError(
                f"{path} is damaged: expected up to {_MAX_BYTES} bytes, got more; {again}"
            )
        try:
            entries = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:  # deep nesting is a RecursionError
            raise ArtifactError(f"{path} is damaged: expected JSON ({error}); {again}") from error
        try:
            return _from_entries(cls, entries)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}; {again}") from error

    def check(
        self,
        plan: str | Path,
        plan_sha256: str,
        library: str,
        library_version: str,
        compute_capability: str | None,
    ) -> None:
        """Refuse a plan that this machine cannot run.

        Args:
            plan: path of the plan, for messages.
            plan_sha256: of the file as it is now.
            library, library_version: what is installed here.
            compute_capability: of the GPU here, e.g. `8.6`; None leaves it unchecked.

        Raises:
            EngineError: the first thing that differs, with the command that mends it, in one line.
        """
        for what, expected, got, fits in (
            ("SHA-256 of the plan", self.plan_sha256, plan_sha256, plan_sha256 == self.plan_sha256),
            ("library", self.library, library, library == self.library),
            (
                "library version",
                self._versions_allowed(),
                library_version,
                self._runs_in(library_version),
            ),
            (
                "compute capability",
                self._capabilities_allowed(),
                compute_capability,
                compute_capability is None or self._runs_on(compute_capability),
            ),
        ):
            if not fits:
                raise EngineError(
                    f"{plan} does not fit: {what}: expected {expected}, got {got}; rebuild: "
                    f"{self.rebuild_command}"
                )

    def _versions_allowed(self) -> str:
        if not self._is_version_compatible:
            return self.library_version
        return f"{self.library_version} or a later one that runs its plans"

    @property
    def _is_version_compatible(self) -> bool:
        # TensorRT-RTX runs plans of its own release only, whatever the flag.
        return self.version_compatible and self.library == "tensorrt"

    def _runs_in(self, version: str) -> bool:
        if not self._is_version_compatible:
            return version == self.library_version
        built, here = numbers_of(self.library_version), numbers_of(version)
        return (here[0] == built[0] and here >= built) or here[0] == _NEXT_MAJOR.get(built[0])

    def _capabilities_allowed(self) -> str:
        if self.target_compute_capabilities:
            return " or ".join(self.target_compute_capabilities)
        if self.hardware_compatibility == "ampere_plus":
            return "8.0 or higher"
        return str(self.compute_capability)

    def _runs_on(self, capability: str) -> bool:
        if self.target_compute_capabilities:
            return capability in self.target_compute_capabilities
        if self.hardware_compatibility == "ampere_plus":
            return numbers_of(capability) >= (8, 0)
        return self.compute_capability in (None, capability)


def sidecar_path(plan: str | Path) -> Path:
    """Path of the JSON file that belongs to a plan."""
    return Path(f"{plan}.json")


def numbers_of(version: str) -> tuple[int, ...]:
    """`10.16.1.11` -> (10, 16, 1, 11); what is not a number ends it."""
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _from_entries(cls: type[EngineSidecar], entries: Any) -> EngineSidecar:
    if not isinstance(entries, dict):
        raise ArtifactError(f"damaged: expected an object, got {shown(entries)}")
    version = entries.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArtifactError(
            f"expected a format up to {FORMAT_VERSION}, got {shown(version)}; update the program"
        )
    check_fields(entries, _ENTRY_FIELDS, "damaged", REMEDY)
    known = {one.name: entries[one.name] for one in fields(cls) if one.name in entries}
    known["spec"] = RecognizerSpec.from_entries(entries["spec"], "spec")
    known["profiles"] = tuple(map(Profile.from_entries, entries["profiles"]))
    known["bindings"] = tuple(map(Binding.from_entries, entries["bindings"]))
    targets = "target_compute_capabilities"
    if isinstance(known.get(targets), list):
        known[targets] = tuple(known[targets])
    return cls(**known)
