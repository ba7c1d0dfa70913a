"""Chooses how a network is computed on the CPU, and says why."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.engines.choice.proof import proofs_of, proofs_path
from runtime.engines.choice.speed import speeds_of
from runtime.engines.choice.ways import (
    BF16,
    FP32,
    INT8,
    ONNXRUNTIME,
    OPENVINO,
    Way,
    eight_bit_name,
    version_of,
)
from runtime.engines.onnx_weights import metadata_of, weights_of
from runtime.errors import ArtifactError
from runtime.files import sha256_of_file
from runtime.spec import MAX_METADATA_LENGTH

if TYPE_CHECKING:
    from runtime.engines import Engine

logger = logging.getLogger(__name__)

_WORTH_IT = 0.95
"""Of the usual way's time that another one may take at most to be taken."""
_SOURCE = "source_onnx_sha256"


def chosen_way(model: Path, device: str, precision: str, opened: Callable[[Way], Engine]) -> Way:
    """Choose how a model is computed on the CPU.

    Args:
        model: an ONNX file that exists.
        device: `openvino` for that engine alone, `auto` or `cpu` for the fitting one.
        precision: one of `ASKED`; `auto` takes what is proven beside the model, if it is faster
            than FP32, or than the 8 bit that the file is in.
        opened: opens an engine with one thread, to be measured.

    Raises:
        ArtifactError: if the model has not the precision.
        EngineError: if no engine that is installed has it.
    """
    engine = OPENVINO if device == OPENVINO else ONNXRUNTIME
    if precision == INT8:
        usual = Way(eight_bit_form(model), engine, INT8)
        if device == OPENVINO or version_of(OPENVINO) is None:
            return usual
        ways = [usual, Way(usual.path, OPENVINO, INT8)]
        return _fastest(model, sha256_of_file(model), ways, opened, "asked for")
    if precision == "auto" and not proofs_path(model).is_file():
        # As quickly as before there was anything to choose: the weights are looked at by no one.
        logger.debug("%s: as it is, in %s; nothing else is proven beside it", model, engine)
        return Way(model, engine)
    is_eight_bit = weights_of(model).has_eight_bit
    if precision != "auto":
        if is_eight_bit:
            raise ArtifactError(
                f"{model} is 8-bit: expected an FP32 model for precision {precision}, got its "
                "8-bit form; give the model that it was made from, or leave the precision out"
            )
        return Way(model, OPENVINO if precision == BF16 else engine, precision)
    usual = Way(model, engine, INT8 if is_eight_bit else FP32)
    return _proven(model, usual, opened, OPENVINO if device == OPENVINO else None)


def eight_bit_form(model: Path) -> Path:
    """Return the 8-bit form of a model: itself, or what was made of it and lies beside it.

    Raises:
        ArtifactError: if there is none.
    """
    if weights_of(model).has_eight_bit:
        return model
    form = model.with_name(eight_bit_name(model.name))
    remedy = f"make it: python -m export quantize --onnx {model} --images …"
    if not form.is_file():
        raise ArtifactError(
            f"{model} has no 8-bit form: expected {form.name} beside it, got no such file; {remedy}"
        )
    if _source_of(form) != sha256_of_file(model):
        raise ArtifactError(
            f"{form} is not the 8-bit form of {model.name}: expected one made from this file, got "
            f"one made from another; {remedy}"
        )
    return form


def _proven(model: Path, usual: Way, opened: Callable[[Way], Engine], engine: str | None) -> Way:
    """Return the fastest of what is proven here, and of the usual way.

    Args:
        model: the file.
        usual: without any proof.
        opened: as `chosen_way`.
        engine: the only one allowed; None for any.
    """
    sha256 = sha256_of_file(model)
    ways, held, refused = [usual], [], []
    for proof in proofs_of(model):
        way = Way(model.with_name(proof.form), proof.engine, proof.precision)
        if (engine is not None and proof.engine != engine) or way in ways:
            continue
        if refusal := proof.refusal(model, sha256):
            refused.append(f"{proof.what} is not taken: {refusal}")
        else:
            ways.append(way)
            held.append(f"{proof.what}: {proof}")
    for reason in refused:
        logger.info("%s: %s", model, reason)
    if len(ways) == 1:
        logger.info("%s: %s, as no proof holds here", model, usual)
        return usual
    return _fastest(model, sha256, ways, opened, f"proven, {'; '.join(held)}")


def _fastest(
    model: Path, sha256: str, ways: list[Way], opened: Callable[[Way], Engine], because: str
) -> Way:
    """Return the fastest way, the first unless another one is clearly faster."""
    usual = ways[0]
    seconds = speeds_of(sha256, ways, opened)
    if not seconds:
        return usual
    best = min(seconds, key=lambda way: seconds[way])
    if usual in seconds and seconds[best] > _WORTH_IT * seconds[usual]:
        best = usual
    told = ", ".join(f"{way} {taken * 1000:.3g} ms" for way, taken in seconds.items())
    logger.info("%s: %s is taken (%s; one input here: %s)", model, best, because, told)
    return best


def _source_of(form: Path) -> str | None:
    """Return the hash of the file that a form says it was made from."""
    for key, said in metadata_of(form).items():
        if not key.endswith("_spec") or len(said) > MAX_METADATA_LENGTH:
            continue
        try:
            spec: Any = json.loads(said)
            return str(spec["provenance"][_SOURCE])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return None
