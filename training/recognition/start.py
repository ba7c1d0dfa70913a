"""Maps the heads of the weights that a network starts from to the run's classes, by character.

What the classes of a file stand for is in no array. It is told by the config, by the `.states` that
training writes beside the weights, or by an ONNX file beside them that holds the very head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtime.engines.onnx_weights import metadata_of
from runtime.errors import ArtifactError, CheckpointError, OcrError
from runtime.recognition.charset import SPACE, Charset, read_dictionary
from runtime.recognition.spec import RecognizerSpec
from training.checkpoint.saved import STATES, read_states
from training.recognition.class_map import NONE, ClassMap

if TYPE_CHECKING:
    from training.networks import NetworkPlan
    from training.task import StartingWeights

PRETRAINED_DICTIONARY = "pretrained_dictionary"
"""Key of `Global` and of a network's section: the dictionary of the weights it starts from."""
CHARACTERS = "characters"
"""Entry of `.states`: {network: its characters}, those of the run under an empty name."""
CTC_HEADS = ("head", "head.ctc_head")
_CTC_LAYERS = ("fc2", "fc")
_KERNELS_OF: Mapping[str, tuple[tuple[str, int], ...]] = {
    "gtc": (
        ("head.gtc_head.embedding.embedding.weight", 0),
        ("head.gtc_head.tgt_word_prj.weight", 1),
    ),
    "sar": (
        ("head.sar_head.decoder.embedding.weight", 0),
        ("head.sar_head.decoder.prediction.weight", 1),
        ("head.sar_head.decoder.prediction.bias", 0),
    ),
}
"""Arrays of the decoders beside CTC that have a place for each class, and the axis of it."""
_SHOWN = 8
Arrays = dict[str, NDArray[Any]]


def ctc_bias(parameters: Mapping[str, NDArray[Any]]) -> str | None:
    """Return the name of the array with a number for each class of CTC; None without."""
    names = (f"{head}.{layer}.bias" for head in CTC_HEADS for layer in _CTC_LAYERS)
    return next((name for name in names if name in parameters), None)


def with_classes_of(
    charset: Charset,
    own: Mapping[str, NDArray[Any]],
    weights: StartingWeights,
    network: NetworkPlan,
) -> tuple[Arrays, str | None]:
    """Bring the heads of a checkpoint to the classes of a network.

    A class that the checkpoint lacks keeps the network's own kernel, and begins as improbable as
    the checkpoint's least; in a frozen network it is an average character, as nothing learns there.

    Args:
        charset: of the network.
        own: its arrays, as initialised.
        weights: of the checkpoint.
        network: the plan of it.

    Returns:
        The parameters, and what became of the classes; None where they are the same, or as many
        and nothing says which.

    Raises:
        CheckpointError: if there are others, and nothing says which.
    """
    parameters = weights.parameters
    name = ctc_bias(parameters)
    if name is None or name not in own:
        return dict(parameters), None
    num_classes = int(parameters[name].size)
    found = _charset_of(parameters[name], weights, network)
    if found is None:
        settings = weights.settings
        if num_classes == charset.num_classes or settings.allow_resized_head:
            return dict(parameters), None
        raise CheckpointError(
            f"{weights.where}: {name} is of {charset.num_classes} classes here, of {num_classes} "
            "there, and nothing says which characters these are: expected the dictionary that it "
            f"was trained with under Global.{PRETRAINED_DICTIONARY} or "
            f"{network.path}.{PRETRAINED_DICTIONARY}, so that classes are kept by character; "
            "Global.allow_resized_head=true starts with a new head"
        )
    given, told_by = found
    if given.characters == charset.characters:
        return dict(parameters), None
    classes = ClassMap(given, charset)
    mapped = dict(parameters)
    for array_name, decoder, axis in _places(parameters):
        if array_name in own:
            rows = _rows(classes, decoder, int(own[array_name].shape[axis]))
            mapped[array_name] = _mapped(
                parameters[array_name], own[array_name], rows, axis, network.is_frozen
            )
    return mapped, f"{weights.where}: {_counts(given, charset, classes)} (by {told_by})"


def remembered(charset: Charset, others: Mapping[str, Charset]) -> dict[str, Any]:
    """Return what a checkpoint keeps of its characters: the run's, and other networks' own."""
    named = {name: own for name, own in others.items() if own != charset}
    known = {"": charset, **named}
    return {CHARACTERS: {name: list(each.characters) for name, each in known.items()}}


def _charset_of(
    bias: NDArray[Any], weights: StartingWeights, network: NetworkPlan
) -> tuple[Charset, str] | None:
    """Return the characters of a checkpoint, and what tells them; None where nothing does."""
    own = network.of_task.get(PRETRAINED_DICTIONARY)
    dictionary = own or weights.settings.pretrained_dictionary
    if dictionary is not None:
        key = f"{network.path if own else 'Global'}.{PRETRAINED_DICTIONARY}"
        return _of_dictionary(str(dictionary), bias.size, key, weights.where), str(dictionary)
    for tell in (_of_states, _of_onnx):
        found = tell(bias, weights)
        if found is not None and len(found[0]) + 1 == bias.size:
            return Charset(found[0]), str(found[1])
    return None


def _of_dictionary(dictionary: str, num_classes: int, key: str, where: str) -> Charset:
    """Read a dictionary; the number of classes says whether a space follows its lines."""
    try:
        lines = tuple(read_dictionary(dictionary))
    except ArtifactError as error:
        raise CheckpointError(f"{key}: {error}") from error
    for characters in (lines, (*lines, SPACE)):
        if len(characters) + 1 == num_classes:
            return Charset(characters)
    raise CheckpointError(
        f"{where}: expected {key} to have {num_classes - 1} characters, or "
        f"{num_classes - 2} that a space follows, got {len(lines)} in {dictionary}; name the "
        "dictionary that these weights were trained with"
    )


def _of_states(bias: NDArray[Any], weights: StartingWeights) -> tuple[tuple[str, ...], Path] | None:
    """Return the characters that training wrote beside the weights."""
    file = weights.file.with_suffix(STATES)
    if not file.is_file():
        return None
    try:
        told = read_states(weights.file.with_suffix("")).get(CHARACTERS)
    except OcrError:
        return None
    by_network = told if isinstance(told, Mapping) else {}
    listed = by_network.get(weights.network, by_network.get(""))
    if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
        return None
    return tuple(listed), file


def _of_onnx(bias: NDArray[Any], weights: StartingWeights) -> tuple[tuple[str, ...], Path] | None:
    """Return the characters of an ONNX file of the same name, if this head is in its bytes."""
    file = weights.file.with_suffix(".onnx")
    try:
        if not file.is_file() or bias.astype("<f4").tobytes() not in file.read_bytes():
            return None
        spec = RecognizerSpec.from_metadata(metadata_of(file), str(file))
    except (OSError, OcrError):
        return None
    return None if spec is None else (spec.characters, file)


def _places(parameters: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, str, int]]:
    """Yield the arrays with a place for each class, their decoder and the axis."""
    bias = ctc_bias(parameters)
    assert bias is not None
    yield bias, "ctc", 0
    yield f"{bias.removesuffix('bias')}weight", "ctc", 1
    for decoder, places in _KERNELS_OF.items():
        for name, axis in places:
            if name in parameters:
                yield name, decoder, axis


def _rows(classes: ClassMap, decoder: str, size: int) -> NDArray[np.int64]:
    """Return the checkpoint's class for each of the network's: [size]."""
    rows = classes.classes_of(decoder)
    if size == rows.size + 1:  # labels of SAR have one for padding, behind all others
        rows = np.append(rows, len(classes.own.characters) + 2)
    return rows


def _mapped(
    given: NDArray[Any], own: NDArray[Any], rows: NDArray[np.int64], axis: int, is_frozen: bool
) -> NDArray[Any]:
    """Pick the network's classes from an array of a checkpoint.

    Args:
        given: of the checkpoint.
        own: of the network.
        rows: class of the checkpoint for each of the network's, `NONE` for a new one.
        axis: of the classes.
        is_frozen: whether a new class is an average one.
    """
    if own.shape[axis] != rows.size or given.shape[axis] <= rows.max():
        return given  # another structure: whoever loads it says so
    picked = np.take(given, np.maximum(rows, 0), axis=axis).astype(np.float32)
    if picked.shape != own.shape:
        return given
    is_new = rows == NONE
    if not is_new.any():
        return picked
    known = np.take(given, rows[~is_new], axis=axis).astype(np.float32)
    if own.ndim == 1:
        fresh = np.full_like(own, known.min())
    elif is_frozen:
        fresh = np.broadcast_to(known.mean(axis=axis, keepdims=True), own.shape)
    else:
        fresh = own
    shape = [1] * own.ndim
    shape[axis] = -1
    return np.where(is_new.reshape(shape), fresh, picked).astype(np.float32)


def _counts(given: Charset, own: Charset, classes: ClassMap) -> str:
    """Say how many classes were kept, are new and were left out."""
    new = list(classes.absent)
    gone = sorted(set(given.characters) - set(own.characters))
    num_kept = int((classes.classes_of("ctc")[1:] != NONE).sum())
    text = f"{num_kept} of {len(own.characters)} characters keep their classes"
    text += f", {len(new)} start fresh{_shown(new)}" if new else ", none starts fresh"
    return text + (f", {len(gone)} of the file are left out{_shown(gone)}" if gone else "")


def _shown(characters: list[str]) -> str:
    more = len(characters) - _SHOWN
    return f" ({' '.join(characters[:_SHOWN])}{f' and {more} more' if more > 0 else ''})"
