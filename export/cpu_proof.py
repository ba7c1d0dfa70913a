"""Proves that a model reads on this kind of CPU as in onnxruntime, in other engines and precisions.

Every way reads the same images through the sessions that the runtime opens, one at a time. What
passes is written beside the model, where the runtime looks for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.contract import CONTRACTS, EngineForm, ModelContract, model_contract, opened, task_of
from export.proof.compare import compare_all
from export.proof.outputs import Outputs
from export.proof.samples import Batch
from export.quantization.report import Limits, Reading
from runtime.cpu import cpu_kind
from runtime.engines import open_way
from runtime.engines.choice.choose import eight_bit_form
from runtime.engines.choice.proof import CpuProof, proofs_of, proofs_path
from runtime.engines.choice.ways import (
    BF16,
    FP32,
    INT8,
    ONNXRUNTIME,
    OPENVINO,
    PRECISIONS,
    Way,
    version_of,
)
from runtime.engines.onnx_weights import weights_of
from runtime.errors import ArtifactError, EngineError
from runtime.files import sha256_of_file

log = logging.getLogger("export")

Images = Sequence[NDArray[np.uint8]]
STRICT = Limits(max_loss=0.0, min_equal=1.0)
"""Every sample reads the same."""


@dataclass
class _Clocked:
    """A form whose reading is timed, each size once before it counts: its kernels are made then.

    Args:
        form: it.
    """

    form: EngineForm
    seconds: float = 0.0
    _sizes: set[tuple[int, ...]] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Of the form."""
        return self.form.name

    @property
    def is_exact(self) -> bool:
        """Whether it computes in FP32 throughout."""
        return self.form.is_exact

    def read(self, batch: Batch) -> Outputs:
        """Run one batch."""
        size = batch.inputs.shape[1:]
        if size not in self._sizes:
            self._sizes.add(size)
            self.form.read(batch)
        before = time.process_time()
        outputs = self.form.read(batch)
        self.seconds += time.process_time() - before
        return outputs


def contract_of_file(model: Path, dictionary: Path | None) -> ModelContract:
    """Return the contract of a model, which may be another's as it comes.

    Raises:
        ArtifactError: if it is no model of a known task.
    """
    if not model.is_file():
        raise ArtifactError(f"cannot open the model {model}: there is no such file")
    return model_contract(opened(model, dictionary)[0])


def prove_on_cpu(
    model: Path,
    contract: ModelContract,
    images: Images,
    samples_from: str,
    *,
    truth: Sequence[Any] | None = None,
    dictionary: Path | None = None,
    precisions: Sequence[str] = PRECISIONS,
    limits: Limits = STRICT,
) -> dict[str, Any]:
    """Compare every way to compute a model with onnxruntime, and keep the proofs beside it.

    Args:
        model: an ONNX file.
        contract: of it.
        images: to read, BGR uint8 [h, w, 3].
        samples_from: what they are.
        truth: what each shows, None where unknown.
        dictionary: for a model that carries no characters.
        precisions: those wanted.
        limits: how much reading may change.

    Returns:
        a report; `passed` tells whether anything is proven.

    Raises:
        ArtifactError, EngineError: if nothing can be compared here.
    """
    cpu = cpu_kind()
    if cpu is None:
        raise EngineError("the kind of this CPU is unknown: expected Linux's /proc/cpuinfo")
    samples = contract.samples(images, samples_from)
    labels = [None] * len(samples) if truth is None else list(truth)
    usual = Way(model, ONNXRUNTIME, INT8 if weights_of(model).has_eight_bit else FP32)
    ways = [way for way in _ways(model, usual.precision == INT8) if way.precision in precisions]
    with ExitStack() as stack:
        reference = stack.enter_context(_opened(usual, dictionary))
        forms = {}
        for way in ways:
            try:
                forms[way] = stack.enter_context(_opened(way, dictionary))
            except (ArtifactError, EngineError) as error:
                log.info("%s is not tried: %s", way, error)
        if not forms:
            raise EngineError(
                f"{model}: nothing to prove here: expected OpenVINO (pip install "
                "'distilrec[openvino]'), or an 8-bit form beside the model (python -m export "
                f"quantize), in {' or '.join(precisions)}"
            )
        clocks = [_Clocked(form) for form in forms.values()]
        clocked = _Clocked(reference)
        agreements = compare_all(clocked, clocks, contract, samples)
    hashes = {path: sha256_of_file(path) for path in {model, *(way.path for way in forms)}}
    proofs, results, tried = [], [], set()
    for way, clock, agreement in zip(forms, clocks, agreements, strict=True):
        reading = Reading.of(agreement, labels)
        is_proven = reading.is_within(limits) and not agreement.num_not_finite
        judged = _told(reading, limits)
        log.info("%s %s: %s", "proven" if is_proven else "NOT PROVEN", way, judged)
        proof = CpuProof(
            model_sha256=hashes[model],
            form=way.path.name,
            form_sha256=hashes[way.path],
            engine=way.engine,
            version=str(version_of(way.engine)),
            precision=way.precision,
            cpu=cpu,
            num_samples=reading.num_samples,
            num_equal=reading.num_equal,
            samples_from=samples_from,
            judged=judged,
        )
        tried.add(proof.place)
        proofs += [proof] if is_proven else []
        results.append(
            {
                "engine": way.engine,
                "version": proof.version,
                "precision": way.precision,
                "file": str(way.path),
                **vars(reading),
                "examples": as_words(reading),
                "cpu_seconds": round(clock.seconds, 3),
                "proven": is_proven,
            }
        )
    proofs_of(model).replace(tuple(proofs), tried)
    return {
        "reference": f"{usual}",
        "reference_cpu_seconds": round(clocked.seconds, 3),
        "cpu": cpu,
        "proofs": str(proofs_path(model)),
        "ways": results,
        "passed": bool(proofs),
    }


def _ways(model: Path, is_eight_bit: bool) -> Iterator[Way]:
    """Yield every way to compute a model but the usual one."""
    has_openvino = version_of(OPENVINO) is not None
    if has_openvino and not is_eight_bit:
        yield Way(model, OPENVINO, FP32)
        yield Way(model, OPENVINO, BF16)
    try:
        form = eight_bit_form(model)
    except ArtifactError as error:
        log.info("8 bit is not tried: %s", error)
        return
    if not is_eight_bit:
        yield Way(form, ONNXRUNTIME, INT8)
    if has_openvino:
        yield Way(form, OPENVINO, INT8)


@contextmanager
def _opened(way: Way, dictionary: Path | None) -> Iterator[EngineForm]:
    """Open a file as the runtime does, with one thread."""
    engine = open_way(way, "cpu", threads=1, shared=True)
    try:
        row = CONTRACTS[task_of(engine.metadata, engine.inputs, engine.outputs)]
        form: EngineForm = row.model.session_form(
            str(way), engine, way.precision == FP32, dictionary
        )
        yield form
    finally:
        engine.close()


def as_words(reading: Reading) -> list[list[str]]:
    """Return the readings that differ: texts as they are, of pages how many boxes they have."""
    return [[str(expected), str(got)] for expected, got in reading.examples]


def _told(reading: Reading, limits: Limits) -> str:
    """Say what was asked for and what came out."""
    text = f"{reading.num_equal} of {reading.num_samples} read the same"
    if reading.num_labelled:
        text += (
            f", {reading.num_right} of {reading.num_labelled} right ({reading.num_right_fp32} "
            f"before; {reading.num_lost} lost, {reading.num_gained} gained)"
        )
    asked = f"at least {limits.min_equal:.1%} the same, at most {limits.max_loss:.2%} fewer right"
    return f"{text}; asked for: {asked}"
