"""What stands beside a TensorRT plan, `<plan>.json`, and is checked before the plan is opened.

TensorRT answers a plan that does not fit with null and a log line. So everything it needs is
written down when the plan is built, and compared here first.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from runtime.engines.tensors import (
    Profile,
    ShapeRange,
    Sizes,
    TensorInfo,
    is_shape,
    range_from_json,
)
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

FORMAT_VERSION = 2
"""Format 1 knew recognisers alone, and one input of theirs in its profiles."""
HARDWARE_LEVELS = ("none", "ampere_plus", "same_compute_capability")

_NEXT_MAJOR = {8: 10, 10: 11}
"""Majors whose version-compatible plans run in one later major, as the support matrix says."""
_MAX_BYTES = 32 * 2**20
_MOST_PARTS = 1024
_REMEDY = "build the engine again"
_CAPABILITY = matching(r"[0-9]{1,3}\.[0-9]{1,3}", "a compute capability such as '8.6'")


def _is_profile(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and 0 < len(value) <= _MOST_PARTS
        and all(isinstance(name, str) for name in value)
        and all(isinstance(one, ShapeRange) for one in value.values())
    )


def _some(accepts: Any) -> Field:
    """Return a field of between one and `_MOST_PARTS` objects."""
    return Field(
        f"a list of 1 to {_MOST_PARTS} objects",
        lambda value: (
            isinstance(value, tuple)
            and 0 < len(value) <= _MOST_PARTS
            and all(accepts(part) for part in value)
        ),
    )


_BINDING_FIELDS = {
    "name": text(shortest=1),
    "dtype": text(shortest=1),
    "shape": Field("up to eight sizes, -1 where one is open", lambda value: is_shape(value, -1)),
    "mode": choice("input", "output"),
}


@dataclass(frozen=True)
class Binding:
    """One input or output of the engine.

    Args:
        dtype: as NumPy names it, e.g. `uint8`.
        shape: -1 where it is open.
        mode: `input` or `output`.
    """

    name: str
    dtype: str
    shape: Sizes
    mode: str

    def __post_init__(self) -> None:
        check_fields(vars(self), _BINDING_FIELDS, "impossible binding", _REMEDY)

    @property
    def info(self) -> TensorInfo:
        """It as an engine tells it."""
        return TensorInfo(
            self.name, self.dtype, tuple(None if size < 0 else size for size in self.shape)
        )


_SIDECAR_FIELDS = {
    "task": text(shortest=1),
    "spec": mapping(),
    "plan_sha256": sha256(),
    "onnx_sha256": sha256(),
    "graph_sha256": sha256(),
    "library": choice("tensorrt", "tensorrt_rtx"),
    "library_version": matching(
        r"[0-9]{1,6}(\.[0-9A-Za-z]{1,20}){0,8}", "a version such as '10.16.1'"
    ),
    "profiles": _some(_is_profile),
    "bindings": _some(lambda part: isinstance(part, Binding)),
    "rebuild_command": text(longest=65_536),
    "driver_version": optional(text()),
    "gpu_name": optional(text()),
    "compute_capability": optional(_CAPABILITY),
    "target_compute_capabilities": Field(
        "a list of compute capabilities such as '8.6'",
        lambda value: isinstance(value, tuple) and all(map(_CAPABILITY.accepts, value)),
    ),
    "platform": optional(text(shortest=1)),
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


def this_platform() -> str:
    """Return system and processor, e.g. `linux-x86_64`: a plan runs on no other."""
    return f"{platform.system()}-{platform.machine()}".lower().replace("amd64", "x86_64")


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
        check_fields(vars(self), _SIDECAR_FIELDS, "the engine's description is unusable", _REMEDY)
        inputs = {binding.name: len(binding.shape) for binding in self.of_mode("input")}
        for profile in self.profiles:
            dimensions = {name: len(shapes.min) for name, shapes in profile.items()}
            if dimensions != inputs:
                raise ArtifactError(
                    "the engine's description is unusable: profiles: expected shapes of "
                    f"{shown(inputs)} dimensions, got {shown(dimensions)}; {_REMEDY}"
                )

    @property
    def engine_name(self) -> str:
        """Name of the network inside the plan, which ties the plan to this file."""
        return f"distilrec {self.graph_sha256[:16]}"

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
            ("platform", self.platform, this_platform(), self._is_of(this_platform())),
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

    @property
    def needs_lean(self) -> bool:
        """Whether the plan was built without the code that runs it."""
        return "excludeLeanRuntime" in self.options.get("flags", ())

    def _libraries_allowed(self) -> str:
        if self.needs_lean:
            return "tensorrt_lean"
        return f"{self.library} or tensorrt_lean" if self._is_version_compatible else self.library

    def _runs_with(self, library: str) -> bool:
        if library == "tensorrt_lean":
            return self._is_version_compatible
        return library == self.library and not self.needs_lean

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

    def _is_of(self, here: str) -> bool:
        return self.platform in (None, here)

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
    check_fields(entries, _ENTRY_FIELDS, "damaged", _REMEDY)
    known = {one.name: entries[one.name] for one in fields(cls) if one.name in entries}
    bindings = tuple(Binding(**_values(part, _BINDING_FIELDS)) for part in entries["bindings"])
    if version == 1:
        known = {**known, "task": "rec"}
        profiles = [_line_profile(part, bindings) for part in entries["profiles"]]
    else:
        profiles = [_profile(part) for part in entries["profiles"]]
    known |= {"profiles": tuple(profiles), "bindings": bindings, "format_version": FORMAT_VERSION}
    targets = "target_compute_capabilities"
    if isinstance(known.get(targets), list):
        known[targets] = tuple(known[targets])
    check_fields(known, {"task": _SIDECAR_FIELDS["task"]}, "damaged", _REMEDY)
    return cls(**known)


def _profile(entries: Any) -> Profile:
    if not isinstance(entries, dict):
        raise ArtifactError(f"damaged: expected shapes by input, got {shown(entries)}")
    return {name: _range(shapes) for name, shapes in entries.items()}


def _line_profile(entries: Any, bindings: tuple[Binding, ...]) -> Profile:
    """Translate a profile of format 1, which told the model's input [N, C, H, W].

    The engine takes images [N, H, W, C] and one number for each of them.
    """
    shapes = _range(entries)
    if len(shapes.min) != 4:
        raise ArtifactError(f"damaged: profiles: expected four sizes, got {shown(shapes.min)}")
    images = ShapeRange(*((n, h, w, c) for n, c, h, w in (shapes.min, shapes.opt, shapes.max)))
    numbers = ShapeRange(*((sizes[0],) for sizes in (shapes.min, shapes.opt, shapes.max)))
    inputs = [binding for binding in bindings if binding.mode == "input"]
    return {one.name: images if len(one.shape) == 4 else numbers for one in inputs}


def _range(entries: Any) -> ShapeRange:
    if not isinstance(entries, dict):
        raise ArtifactError(f"damaged: expected an object with min, opt, max, got {shown(entries)}")
    return range_from_json(entries)


def _values(entries: Any, table: Mapping[str, Field]) -> dict[str, Any]:
    """Return the fields of a part: lists become tuples, what is missing None."""
    if not isinstance(entries, dict):
        raise ArtifactError(
            f"damaged: expected an object with {', '.join(table)}, got {shown(entries)}"
        )
    values = {name: entries.get(name) for name in table}
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
