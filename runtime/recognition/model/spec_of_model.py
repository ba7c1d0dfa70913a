"""The spec of a model file: its own when it carries one, else what can be told from the file.

PaddleOCR exports and RapidOCR files carry no spec. Their height stands in the input shape, their
characters in the metadata or in a dictionary file, the order of their output in what it follows;
the rest is PaddleOCR's convention, held against what a line without writing reads as.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.engines.tensors import full_parts
from runtime.errors import ArtifactError, EngineError
from runtime.recognition.charset import SPACE, read_dictionary
from runtime.recognition.model.blank_lines import blank_lines, check_blank
from runtime.recognition.model.inference_yml import FILE_NAME, read_inference_yml
from runtime.recognition.model.layout import OutputLayout, Run, axes_from_runs, axes_told
from runtime.recognition.model.listed import charset_for_head, without_blank
from runtime.recognition.model.told import Told
from runtime.recognition.preprocess import batch_from_lines
from runtime.recognition.spec import CHARACTER_KEY, RecognizerSpec, WidthPolicy

logger = logging.getLogger(__name__)

INFERRED_WIDTHS = WidthPolicy(step_px=16, min_px=32)
"""For a model that states none: as fast as steps of 8 px on a CPU, with half as many widths."""
_WIDE, _NARROW = 5, 3
"""Widths of the lines that are tried, in heights."""

_MOST_AFTER_TWO = 2.75
"""Just above e: probabilities, which differ by 1 at most, differ e-fold at most after a softmax."""

RunNetwork = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class ModelFacts:
    """What an engine tells about a model before it has run.

    Args:
        where: the file, for messages.
        spec: the model's own, None when it carries none.
        listed: the characters in its metadata, as it lists them; None without.
        input_name, output_name: the tensors to feed and to read.
        input_shape: [N, C, H, W], None where a dimension is not fixed.
        num_classes: K, or None when the output shape leaves it open.
        run: runs the network as it is, float32 [N, C, H, W] -> its output, of any shape.
    """

    where: str
    spec: RecognizerSpec | None
    listed: Sequence[str] | None
    input_name: str
    output_name: str
    input_shape: tuple[int | None, ...]
    num_classes: int | None
    run: RunNetwork


def spec_of_model(
    facts: ModelFacts, dictionary: str | Path | None, told: Told | None = None
) -> tuple[RecognizerSpec, OutputLayout]:
    """Read, or else infer, the spec of a model, and check it against the network.

    Args:
        facts: about the model.
        dictionary: one character per line, instead of the model's own characters.
        told: what a person says of a model that carries no spec.

    Returns:
        the spec, and how the network's output becomes what the spec promises.

    Raises:
        ArtifactError: if the characters are nowhere to be had, or contradict the network, or the
            network leaves open what nobody says.
    """
    if facts.spec is None:
        return _inferred(facts, dictionary, told or Told())
    _check_input(facts.spec, facts)
    num_classes = facts.num_classes
    if num_classes is None:
        num_classes = _num_classes_run(facts, facts.spec)
    if dictionary is not None:
        return with_dictionary(facts.spec, dictionary, num_classes, facts.where), OutputLayout()
    facts.spec.charset.check_head(num_classes, facts.where)
    return facts.spec, OutputLayout()


def with_dictionary(
    spec: RecognizerSpec, dictionary: str | Path, num_classes: int, where: str
) -> RecognizerSpec:
    """A model's own spec with the characters of a dictionary, told in a warning where they differ.

    Args:
        spec: of the model.
        dictionary: one character per line.
        num_classes: K of the network's last layer.
        where: the model, for messages.

    Raises:
        ArtifactError: if the dictionary does not fit the network.
    """
    listed, _ = without_blank(read_dictionary(dictionary), num_classes, where, Told(blank="first"))
    has_space = spec.characters[-1] == SPACE
    charset = charset_for_head(listed, num_classes, where, is_space_expected=has_space)
    if charset.characters != spec.characters:
        logger.warning(
            "%s: characters taken from %s, not from the model, which has others", where, dictionary
        )
    return replace(spec, characters=charset.characters)


def _inferred(
    facts: ModelFacts, dictionary: str | Path | None, told: Told
) -> tuple[RecognizerSpec, OutputLayout]:
    listed = _listed(facts, dictionary)
    spec = _spec_before_running(facts, listed, told)
    (outputs, runs), where = _runs(facts, spec), facts.where
    if told.layout is not None:
        axes = axes_told(told.layout, runs, where)
    else:
        num_listed = len(listed)
        axes = axes_from_runs(runs, range(num_listed, num_listed + 3), where)
    ordered = [output.transpose(axes) for output in outputs]
    num_classes = ordered[0].shape[-1]
    listed, blank = without_blank(listed, num_classes, where, told)
    layout = OutputLayout(axes, blank == "last")
    scores = np.concatenate([layout.canonical(output) for output in outputs])
    if not np.isfinite(scores).all():
        raise ArtifactError(
            f"{where}: for lines without writing it emits values that are not finite: expected "
            "probabilities or logits; use its FP32 form"
        )
    charset = charset_for_head(listed, num_classes, where, told.has_space)
    check_blank(scores[:3], charset.characters, where, blank is not None)
    if dictionary is not None or spec.channels == 1:
        _tell_convention(facts, spec, told)
    activation = "softmax" if _are_probabilities(scores, where) else "none"
    spec = replace(spec, characters=charset.characters, output_activation=activation)
    return spec, layout


def _listed(facts: ModelFacts, dictionary: str | Path | None) -> list[str]:
    """The characters as the nearest of dictionary, metadata and PaddleOCR's file lists them."""
    beside = Path(facts.where).with_name(FILE_NAME)
    if dictionary is not None:
        return read_dictionary(dictionary)
    if facts.listed:
        return list(facts.listed)
    if beside.is_file():
        return list(read_inference_yml(beside).characters)
    raise ArtifactError(
        f"{facts.where}: the model does not carry its characters: expected metadata "
        f"`{CHARACTER_KEY}`, PaddleOCR's {FILE_NAME} beside it, or a dictionary file; give "
        "the one it was trained with (--dictionary FILE)"
    )


def _spec_before_running(facts: ModelFacts, listed: Sequence[str], told: Told) -> RecognizerSpec:
    """The spec but for what only running tells; its characters are a stand-in until then."""
    _, channels, height, width = facts.input_shape
    beside = Path(facts.where).with_name(FILE_NAME)
    color_order = told.color_order
    if told.height_px is not None:
        height = told.height_px
    if beside.is_file() and (height is None or color_order is None):
        try:
            yml = read_inference_yml(beside)
        except ArtifactError:
            if height is None:
                raise
            logger.warning("%s is left out: it is damaged or another model's", beside)
        else:
            height = yml.image_shape[1] if height is None else height
            color_order = color_order or yml.color_order
    if height is None:
        raise ArtifactError(
            f"{facts.where}: the model leaves its input height open: expected [N, C, H, W] with "
            f"a fixed H, or PaddleOCR's {FILE_NAME} beside it; say the height that it was trained "
            f"for: python -m export adopt {facts.where} --output NEW.onnx --height 48 (32 for "
            "PP-OCRv2)"
        )
    return RecognizerSpec(
        characters=tuple(listed),
        height=height,
        channels=3 if channels is None else channels,
        input_name=facts.input_name,
        output_name=facts.output_name,
        color_order=color_order or "BGR",
        mean=0.5 if told.mean is None else told.mean,
        std=0.5 if told.std is None else told.std,
        width=INFERRED_WIDTHS if width is None else WidthPolicy(width, width, width),
    )


def _runs(
    facts: ModelFacts, spec: RecognizerSpec
) -> tuple[list[NDArray[np.float32]], tuple[Run, Run]]:
    """Run lines without writing, and then others of another number and width.

    Returns:
        the first outputs, which hold a line of each of `blank_lines`, and the sizes of two runs.
    """
    width_px = spec.width.input_width(_WIDE * spec.height)
    lines = blank_lines(spec.height, width_px, spec.channels)
    batch = batch_from_lines(lines, width_px, spec.mean, spec.std)
    size, fewer = facts.input_shape[0], 1
    if size is None:
        try:
            outputs, size = [facts.run(batch)], len(lines)
        except EngineError:  # N is open in name alone
            size = 1
            outputs = [facts.run(part) for part in full_parts(batch, size)]
    else:
        outputs, fewer = [facts.run(part) for part in full_parts(batch, size)], size
    narrow_px = spec.width.input_width(_NARROW * spec.height)
    other = np.zeros((fewer, spec.channels, spec.height, narrow_px), np.float32)
    first = Run(size, width_px, outputs[0].shape)
    return outputs, (first, Run(fewer, narrow_px, facts.run(other).shape))


def _tell_convention(facts: ModelFacts, spec: RecognizerSpec, told: Told) -> None:
    """Say what is taken for granted of a model that nothing marks as PaddleOCR's."""
    is_told = None not in (told.color_order, told.mean, told.std)
    if is_told or Path(facts.where).with_name(FILE_NAME).is_file():
        return
    logger.warning(
        "%s says nothing of colours and normalisation: read as PaddleOCR's models are, %s and "
        "(x / 255 - %g) / %g; if the text is wrong, see python -m export adopt --help",
        *(facts.where, "grey" if spec.channels == 1 else spec.color_order, spec.mean, spec.std),
    )


def _check_input(spec: RecognizerSpec, facts: ModelFacts) -> None:
    _, channels, height, width = facts.input_shape
    for letter, expected, got in (
        ("C", spec.channels, channels),
        ("H", spec.height, height),
        ("W", spec.width.min_px, width),
        ("W", spec.width.max_px, width),
    ):
        if got is not None and got != expected:
            raise ArtifactError(
                f"{facts.where}: the spec in its metadata and the network disagree: expected "
                f"{letter} = {expected}, got {got}; export the model again"
            )


def _num_classes_run(facts: ModelFacts, spec: RecognizerSpec) -> int:
    """K, from the output for lines of the least width."""
    size = facts.input_shape[0] or 1
    shape = (size, spec.channels, spec.height, spec.width.input_width(1))
    output = facts.run(np.zeros(shape, dtype=np.float32))
    if output.ndim != 3 or output.shape[0] != size:
        raise ArtifactError(
            f"{facts.where}: not a CTC recogniser: expected an output [N, T, K] for an input of "
            f"{list(shape)}, got {list(output.shape)}; give a text recognition model"
        )
    return int(output.shape[-1])


def _are_probabilities(scores: NDArray[np.float32], where: str) -> bool:
    """Whether scores, float [N, T, K], sum to 1 over the classes, as a softmax leaves them."""
    if scores.min() < 0:
        return False
    sums = scores.sum(axis=-1, dtype=np.float64)
    if np.allclose(sums, 1, atol=1e-2):
        if (scores.max(axis=-1) <= scores.min(axis=-1) * _MOST_AFTER_TWO).all():
            logger.warning(
                "%s: its probabilities are all but equal, as after a softmax of a softmax: the "
                "text is not harmed, but confidences say little; export it with one",
                where,
            )
        return True
    if scores.max() <= 1:
        logger.warning(
            "%s: its scores lie between 0 and 1 but sum to %.3g over the classes: taken for "
            "logits, so that confidences say little; export it with a softmax over the classes",
            *(where, float(sums.flat[0])),
        )
    return False
