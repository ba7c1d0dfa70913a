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

from runtime.engines.sidecar_fields import (
    ENTRY_FIELDS,
    FORMAT_VERSION,
    REMEDY,
    SIDECAR_FIELDS,
    Binding,
    bindings_from_json,
    numbers_of,
    profiles_from_json,
    runs_plans_of,
    this_platform,
)
from runtime.engines.tensors import Profile
from runtime.errors import ArtifactError, EngineError
from runtime.fields import check_fields, in_one_line, nests_deeper_than, shown
from runtime.files import written_atomically

_MAX_BYTES = 32 * 2**20
_MOST_NESTED = 32
_LONGEST_REMEDY = 1000


@dataclass(frozen=True)
class EngineSidecar:
    """What a plan is, what it was made from and where it runs.

    Args:
        task: what the model is for, as PaddleOCR's `model_type` names it, e.g. `rec`.
        spec: what the model says of itself, as JSON holds it; a matter of the task.
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
        platform: as `this_platform`; None where an earlier format did not tell.
        version_compatible: whether later versions of the library may run it.
        hardware_compatibility: one of `HARDWARE_LEVELS`.
        precision: `asked`, `achieved` and `kept_fp32`, a list of node, operator and reason.
        parity: what was measured; `engine` is there if the plan itself has run and was compared.
        options: of the build.
    """

    task: str
    spec: Mapping[str, Any]
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
    platform: str | None = None
    version_compatible: bool = False
    hardware_compatibility: str = "none"
    precision: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        check_fields(vars(self), SIDECAR_FIELDS, "the engine's description is unusable", REMEDY)
        if len({binding.name for binding in self.bindings}) < len(self.bindings):
            raise ArtifactError(
                "the engine's description is unusable: bindings: expected a name for each tensor, "
                f"got {shown([binding.name for binding in self.bindings])}; {REMEDY}"
            )
        inputs = {binding.name: len(binding.shape) for binding in self.of_mode("input")}
        for profile in self.profiles:
            dimensions = {name: len(shapes.min) for name, shapes in profile.items()}
            if dimensions != inputs:
                raise ArtifactError(
                    "the engine's description is unusable: profiles: expected shapes of "
                    f"{shown(inputs)} dimensions, got {shown(dimensions)}; {REMEDY}"
                )

    @property
    def engine_name(self) -> str:
        """Name of the network inside the plan, which ties the plan to this file."""
        return f"distilrec {self.graph_sha256[:16]}"

    @property
    def achieved(self) -> str:
        """Precision that was achieved, `fp32`, `fp16` or `mixed`."""
        achieved = self.precision.get("achieved")
        return achieved if isinstance(achieved, str) and achieved.isalnum() else "unknown precision"

    @property
    def remedy(self) -> str:
        """The command that makes the plan again, for messages: one line, cut where it is long."""
        line = in_one_line(self.rebuild_command)
        return line if len(line) <= _LONGEST_REMEDY else f"{line[:_LONGEST_REMEDY]} …"

    @property
    def metadata(self) -> dict[str, str]:
        """Task and spec as a model file's metadata carry them: string keys and string values."""
        return {"task": self.task, "spec": json.dumps(self.spec, ensure_ascii=False)}

    def of_mode(self, mode: str) -> tuple[Binding, ...]:
        """Return the inputs, or the outputs."""
        return tuple(binding for binding in self.bindings if binding.mode == mode)

    def write(self, plan: str | Path) -> Path:
        """Write this beside a plan, whole or not at all.

        Args:
            plan: path of the plan.

        Returns:
            the path written.
        """
        entries = asdict(self)
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
        if nests_deeper_than(_MOST_NESTED, entries):
            raise ArtifactError(
                f"{path} is damaged: expected up to {_MOST_NESTED} objects in one another, got "
                f"more; {again}"
            )
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
            ("library", self._libraries_allowed(), library, self._runs_with(library)),
            (
                "library version",
                self._versions_allowed(),
                library_version,
                self._runs_in(library_version),
            ),
            (
                "platform",
                in_one_line(self.platform or ""),
                this_platform(),
                self.platform in (None, this_platform()),
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
                    f"{self.remedy}"
                )

    @property
    def needs_lean(self) -> bool:
        """Whether the plan was built without the code that runs it."""
        flags = self.options.get("flags")
        return isinstance(flags, list | tuple) and "excludeLeanRuntime" in flags

    def _libraries_allowed(self) -> str:
        if self.needs_lean:
            return "tensorrt_lean"
        return f"{self.library} or tensorrt_lean" if self._is_version_compatible else self.library

    def _runs_with(self, library: str) -> bool:
        if library == "tensorrt_lean":
            return self._is_version_compatible
        return library == self.library and not self.needs_lean

    def _versions_allowed(self) -> str:
        later = " or a later one that runs its plans" if self._is_version_compatible else ""
        return self.library_version + later

    @property
    def _is_version_compatible(self) -> bool:
        # TensorRT-RTX runs plans of its own release only, whatever the flag.
        return self.version_compatible and self.library == "tensorrt"

    def _runs_in(self, version: str) -> bool:
        if not self._is_version_compatible:
            return version == self.library_version
        return runs_plans_of(version, self.library_version)

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


def _from_entries(cls: type[EngineSidecar], entries: Any) -> EngineSidecar:
    if not isinstance(entries, dict):
        raise ArtifactError(f"damaged: expected an object, got {shown(entries)}")
    version = entries.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ArtifactError(
            f"expected a format up to {FORMAT_VERSION}, got {shown(version)}; update the program"
        )
    check_fields(entries, ENTRY_FIELDS, "damaged", REMEDY)
    names = [entry.name for entry in fields(cls)]
    known = {name: entries[name] for name in names if name in entries}
    if version == 1:
        known["task"] = "rec"
    bindings = bindings_from_json(entries["bindings"])
    profiles = profiles_from_json(entries["profiles"], entries["format_version"], bindings)
    known |= {"profiles": profiles, "bindings": bindings, "format_version": FORMAT_VERSION}
    targets = "target_compute_capabilities"
    if isinstance(known.get(targets), list):
        known[targets] = tuple(known[targets])
    check_fields(known, {"task": SIDECAR_FIELDS["task"]}, "damaged", REMEDY)
    return cls(**known)
