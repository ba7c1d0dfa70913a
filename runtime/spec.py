"""What a model says of itself, whatever it is for; it travels as JSON in the model file."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Self

from runtime.errors import ArtifactError
from runtime.fields import Field, check_fields, is_unicode, sha256, shown, text, whole

FORMAT_VERSION = 1
MAX_METADATA_LENGTH = 16 * 2**20
REMEDY = "export the model again"
_KEY_END = "_spec"


def _is_provenance(value: Any) -> bool:
    """Whether a value is an object that can be written into metadata again."""
    if not isinstance(value, Mapping):
        return False
    try:
        return is_unicode(json.dumps(dict(value), ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return False


_NAME = text(shortest=1)
MODEL_FIELDS = {
    "input_name": _NAME,
    "output_name": _NAME,
    "network": text(),
    "weights_sha256": sha256(or_empty=True),
    "config_sha256": sha256(or_empty=True),
    "provenance": Field("an object of texts, numbers, lists and objects", _is_provenance),
    "format_version": whole(1, FORMAT_VERSION),
}


@dataclass(frozen=True, kw_only=True)
class ModelSpec(ABC):
    """Contract between a model file and whoever feeds it; each task has a kind of its own.

    A task's kind adds what it needs, names itself by the class variables, and tells in `fields`
    what every field may hold.

    Args:
        input_name, output_name: of the tensors.
        network: name of the network inside its checkpoint, e.g. `Student`.
        weights_sha256: hash of the weights the model was made from, empty if unknown.
        config_sha256: hash of the configuration, empty if unknown.
        provenance: versions, commands and measured parity; never interpreted.
    """

    task: ClassVar[str]
    """As PaddleOCR's `model_type` names it."""
    title: ClassVar[str]
    """What such a model is called, for messages."""
    key: ClassVar[str]
    """Of the entry in the metadata."""
    dimensions: ClassVar[tuple[str, str]]
    """Letters of the input's and the output's dimensions, e.g. NCHW; an open one has its name."""
    fields: ClassVar[Mapping[str, Field]] = MODEL_FIELDS

    input_name: str = "x"
    output_name: str = "output"
    network: str = ""
    weights_sha256: str = ""
    config_sha256: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        check_fields(vars(self), self.fields, f"the {self.title} spec is unusable", REMEDY)

    @property
    @abstractmethod
    def input_sizes(self) -> tuple[int | None, ...]:
        """Sizes of the input but for N, [C, H, W], None where one is open."""

    def as_json(self) -> dict[str, Any]:
        """Return every field as JSON holds it."""
        entries: dict[str, Any] = json.loads(json.dumps(asdict(self), ensure_ascii=False))
        return entries

    def to_metadata(self) -> dict[str, str]:
        """Return metadata entries for an ONNX file: string keys and string values."""
        return {self.key: json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> Self | None:
        """Read the spec back, or None when the metadata holds none.

        Args:
            metadata: an ONNX file's, or `EngineSidecar.metadata`.
            where: the file, for messages.

        Raises:
            ArtifactError: if the entry is there but damaged, of a newer format, or tells another
                task.
        """
        task, key = metadata.get("task"), cls.key
        if task is not None and key not in metadata:
            if task != cls.task:
                raise ArtifactError(
                    f"{where} is no {cls.title}: expected a model of the task {cls.task!r}, got "
                    f"{shown(task)}; give a {cls.title}"
                )
            key = "spec"
        if key not in metadata:
            cls._check_others(metadata, where)
            return None
        said = metadata[key]
        if len(said) > MAX_METADATA_LENGTH:
            raise ArtifactError(
                f"{where}: the {cls.title} spec in its metadata is damaged: expected up to "
                f"{MAX_METADATA_LENGTH} characters, got {len(said)}; {REMEDY}"
            )
        try:
            entries = json.loads(said)
        except (ValueError, RecursionError) as error:  # deep nesting is a RecursionError
            raise ArtifactError(
                f"{where}: the {cls.title} spec in its metadata is damaged: expected JSON, got "
                f"{' '.join(str(error).split())}; {REMEDY}"
            ) from error
        return cls.from_entries(entries, where)

    @classmethod
    def from_entries(cls, entries: Any, where: str) -> Self:
        """Read the spec back from what its JSON says.

        Args:
            entries: of any type and content; names that this format does not know are passed over.
            where: the file, for messages.

        Raises:
            ArtifactError: naming file, field, what was expected and got, or a newer format.
        """
        if not isinstance(entries, dict):
            raise ArtifactError(
                f"{where}: the {cls.title} spec is damaged: expected an object, got "
                f"{shown(entries)}; {REMEDY}"
            )
        version = entries.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ArtifactError(
                f"{where}: its spec has format {shown(version)}, this program "
                f"reads up to {FORMAT_VERSION}; update the program"
            )
        names = [declared.name for declared in fields(cls)]
        known = {name: entries[name] for name in names if name in entries}
        damaged = f"the {cls.title} spec is damaged"
        try:
            check_fields(known, {"format_version": cls.fields["format_version"]}, damaged, REMEDY)
            return cls(**cls._from_json(known, damaged))
        except ArtifactError as error:
            raise ArtifactError(f"{where}: {error}") from error

    @classmethod
    def _check_others(cls, metadata: Mapping[str, str], where: str) -> None:
        """Refuse a file that carries the spec of another task."""
        for key, said in metadata.items():
            if key.endswith(_KEY_END) and '"format_version"' in said[:MAX_METADATA_LENGTH]:
                raise ArtifactError(
                    f"{where} is no {cls.title}: expected `{cls.key}` in its metadata, got "
                    f"{shown(key)}; give a {cls.title}"
                )

    @classmethod
    def _from_json(cls, known: dict[str, Any], damaged: str) -> dict[str, Any]:
        """Return the fields as the constructor takes them; `damaged` begins an error's words."""
        return known
