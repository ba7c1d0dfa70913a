"""The spec of a model file: its own when it carries one, else what can be told from the file.

PaddleOCR exports and RapidOCR files carry no spec. Their height stands in the input shape, their
characters in the metadata or in a dictionary file, and the rest is PaddleOCR's convention.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.charset import SPACE, Charset, read_dictionary
from runtime.errors import ArtifactError
from runtime.sessions.inference_yml import FILE_NAME, read_inference_yml
from runtime.spec import CHARACTER_KEY, RecognizerSpec, WidthPolicy

logger = logging.getLogger(__name__)

INFERRED_WIDTHS = WidthPolicy(step_px=16, min_px=32)
"""For a model that states none: as fast as steps of 8 px on a CPU, with half as many widths."""

Probe = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class ModelFacts:
    """What an engine tells about a model before it has run.

    Args:
        where: the file, for messages.
        metadata: string metadata of the file.
        input_name, output_name: the tensors to feed and to read.
        input_shape: [N, C, H, W], None where a dimension is not fixed.
        num_classes: K, or None when the output shape leaves it open.
        probe: runs the network, float32 [N, C, H, W] -> float [N, T, K].
    """

    where: str
    metadata: Mapping[str, str]
    input_name: str
    output_name: str
    input_shape: tuple[int | None, ...]
    num_classes: int | None
    probe: Probe


def spec_of_model(facts: ModelFacts, dictionary: str | Path | None) -> RecognizerSpec:
    """Read, or else infer, the spec of a model, and check it against the network.

    Args:
        facts: about the model.
        dictionary: one character per line, instead of the model's own characters.

    Raises:
        ArtifactError: if the characters are nowhere to be had, or contradict the network.
    """
    spec = RecognizerSpec.from_metadata(facts.metadata, facts.where)
    if spec is None:
        return _inferred_spec(facts, dictionary)
    _check_input(spec, facts)
    num_classes = facts.num_classes
    if num_classes is None:
        num_classes = _probed(facts, spec).shape[-1]
    if dictionary is not None:
        charset = charset_for_head(read_dictionary(dictionary), num_classes, facts.where)
        if charset.characters != spec.characters:
            logger.warning(
                "%s: characters taken from %s, not from the model, which has others",
                facts.where,
                dictionary,
            )
        return replace(spec, characters=charset.characters)
    spec.charset.check_head(num_classes, facts.where)
    return spec


def charset_for_head(listed: Sequence[str], num_classes: int, where: str) -> Charset:
    """Charset of listed characters, with the space appended if the head has a class for it.

    Args:
        listed: the characters without the blank.
        num_classes: K of the network's last layer.
        where: the model, for messages.

    Raises:
        ArtifactError: if neither the list nor the list and a space fits the head.
    """
    with_space = (*listed, SPACE)
    charset = Charset(with_space if num_classes == len(with_space) + 1 else tuple(listed))
    charset.check_head(num_classes, where)
    return charset


def _inferred_spec(facts: ModelFacts, dictionary: str | Path | None) -> RecognizerSpec:
    beside = Path(facts.where).with_name(FILE_NAME)
    if dictionary is not None:
        listed = read_dictionary(dictionary)
    elif facts.metadata.get(CHARACTER_KEY):
        listed = _lines(facts.metadata[CHARACTER_KEY])
    elif beside.is_file():
        listed = list(read_inference_yml(beside).characters)
    else:
        raise ArtifactError(
            f"{facts.where}: the model does not carry its characters: expected metadata "
            f"`{CHARACTER_KEY}`, PaddleOCR's {FILE_NAME} beside it, or a dictionary file; give "
            "the one it was trained with (--dictionary FILE)"
        )
    _, channels, height, width = facts.input_shape
    if height is None and beside.is_file():
        _, height, _ = read_inference_yml(beside).image_shape
    if height is None:
        raise ArtifactError(
            f"{facts.where}: the model leaves its input height open: expected [N, C, H, W] with "
            f"a fixed H, or PaddleOCR's {FILE_NAME} beside it; export it again with the height "
            "it was trained for"
        )
    spec = RecognizerSpec(
        # Stand-in until the number of classes is known.
        characters=tuple(listed),
        height=height,
        channels=3 if channels is None else channels,
        input_name=facts.input_name,
        output_name=facts.output_name,
        width=INFERRED_WIDTHS if width is None else WidthPolicy(width, width, width),
    )
    probed = _probed(facts, spec)
    charset = charset_for_head(listed, probed.shape[-1], facts.where)
    activation = "softmax" if _are_probabilities(probed) else "none"
    return replace(spec, characters=charset.characters, output_activation=activation)


def _lines(characters: str) -> list[str]:
    lines = [line.rstrip("\r") for line in characters.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _check_input(spec: RecognizerSpec, facts: ModelFacts) -> None:
    _, channels, height, width = facts.input_shape
    asked = {"C": spec.channels, "H": spec.height, "W": spec.width.min_px}
    for (letter, expected), got in zip(asked.items(), (channels, height, width), strict=True):
        if got is not None and got != expected:
            raise ArtifactError(
                f"{facts.where}: the spec in its metadata and the network disagree: expected "
                f"{letter} = {expected}, got {got}; export the model again"
            )


def _probed(facts: ModelFacts, spec: RecognizerSpec) -> NDArray[np.float32]:
    """Output of the network for one blank line of the least width."""
    shape = (1, spec.channels, spec.height, spec.width.input_width(1))
    output = facts.probe(np.zeros(shape, dtype=np.float32))
    if output.ndim != 3 or output.shape[0] != 1:
        raise ArtifactError(
            f"{facts.where}: not a CTC recogniser: expected an output [N, T, K] for an input of "
            f"{list(shape)}, got {list(output.shape)}; give a text recognition model"
        )
    return output


def _are_probabilities(output: NDArray[np.float32]) -> bool:
    sums = output.sum(axis=-1, dtype=np.float64)
    return bool(output.min() >= 0 and np.allclose(sums, 1, atol=1e-2))
