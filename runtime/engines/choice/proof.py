"""Proofs that a network reads the same in another engine or precision, kept beside its model.

Kernels differ between engines, their versions and kinds of CPU, and so does what they round: a
proof holds where all of these are as they were, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from runtime.cpu import cpu_kind
from runtime.engines.choice.ways import ENGINES, PRECISIONS, version_of
from runtime.engines.kept import Records
from runtime.fields import Field, check_fields, choice, matching, sha256, text, whole
from runtime.files import sha256_of_file

_MOST_SAMPLES = 10**9


@dataclass(frozen=True)
class CpuProof:
    """That a network reads as it does in onnxruntime.

    Args:
        model_sha256: of the model's file.
        form: name of the file that ran, the model's own or an 8-bit form beside it.
        form_sha256: of that file.
        engine: that ran it, one of `ENGINES`.
        version: of the engine.
        precision: one of `PRECISIONS`.
        cpu: its kind, as `cpu_kind` tells it.
        num_samples: that were compared.
        num_equal: those that read the same.
        samples_from: what they were.
        judged: in words, what was asked for, and what came out.
    """

    model_sha256: str
    form: str
    form_sha256: str
    engine: str
    version: str
    precision: str
    cpu: str
    num_samples: int
    num_equal: int
    samples_from: str
    judged: str

    fields: ClassVar[Mapping[str, Field]] = {
        "model_sha256": sha256(),
        "form": matching(r"[^/\\\x00]{1,255}", "the name of a file beside the model"),
        "form_sha256": sha256(),
        "engine": choice(*ENGINES),
        "version": text(shortest=1),
        "precision": choice(*PRECISIONS),
        "cpu": text(shortest=1),
        "num_samples": whole(1, _MOST_SAMPLES),
        "num_equal": whole(0, _MOST_SAMPLES),
        "samples_from": text(),
        "judged": text(),
    }

    def __post_init__(self) -> None:
        check_fields(vars(self), self.fields, "impossible proof", "prove it again")

    @property
    def place(self) -> tuple[str, ...]:
        """What it holds for."""
        return self.model_sha256, self.engine, self.version, self.precision, self.cpu

    @property
    def what(self) -> str:
        """Precision and engine, for messages."""
        return f"{self.precision} in {self.engine}"

    def refusal(self, model: Path, model_sha256: str) -> str:
        """Tell why it does not hold here; empty where it does.

        Args:
            model: the file that is opened.
            model_sha256: of it.
        """
        if self.model_sha256 != model_sha256:
            return "proven of another model"
        if self.cpu != cpu_kind():
            return f"proven on another kind of CPU: {self.cpu}"
        version = version_of(self.engine)
        if version is None:
            return f"{self.engine} is not installed: pip install 'distilrec[{self.engine}]'"
        if version != self.version:
            return f"proven with {self.engine} {self.version}, here is {version}"
        form = model.with_name(self.form)
        if form != model and (not form.is_file() or sha256_of_file(form) != self.form_sha256):
            return f"{self.form} beside it is missing, or another file than the one proven"
        return ""

    def __str__(self) -> str:
        return f"{self.num_equal} of {self.num_samples} read the same, on {self.samples_from}"


def proofs_path(model: Path) -> Path:
    """Return where proofs of a model are kept."""
    return model.with_name(f"{model.name}.cpu.json")


def proofs_of(model: Path) -> Records[CpuProof]:
    """Return the proofs of a model, of any machine."""
    return Records(proofs_path(model), CpuProof, "proofs")
