"""Finds the spec of a model file: its own if it has one, else a spec inferred from the file.

PaddleOCR exports and RapidOCR files have no spec. The height is in the input shape, the characters
in the metadata or a dictionary file, and the order of the output's dimensions follows from its
sizes in two runs; the rest is PaddleOCR's convention, checked with lines without writing.
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
from runtime.recognition.spec import BILINEAR, CHARACTER_KEY, RecognizerSpec, WidthPolicy

logger = logging.getLogger(__name__)

INFERRED_WIDTHS = WidthPolicy(step_px=16, min_px=32)
"""For a model that states none: as fast as steps of 8 px on a CPU, with half as many widths."""
_WIDE, _NARROW = 5, 3
"""Widths of the lines in the two test runs, in heights."""

_MOST_AFTER_TWO = 2.75
"""Largest ratio of classes after two softmaxes: above e, as probabilities differ by 1 at most."""

RunNetwork = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class ModelFacts:
    """The facts that an engine knows about a model before running it.

    Args:
        where: the file, for messages.
        spec: the model's own, None without one.
        listed: the characters in its metadata, as listed there; None without them.
        input_name, output_name: of the tensors for images and scores.
        input_shape: [N, C, H, W], None where a dimension is not fixed.
        num_classes: K, or None when the output shape does not fix it.
        run: runs the network, float32 [N, C, H, W] -> its output, of any shape.
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
        dictionary: a file of one character per line, instead of the model's own characters.
        told: settings that the user states for a model without a spec.

    Returns:
        the spec, and the layout of the network's output.

    Raises:
        ArtifactError: if there are no characters, or they contradict the network, or a setting
            can neither be inferred nor is stated.
    """
    if facts.spec is None:
        return _infer_spec(facts, dictionary, told or Told())
    _check_input(facts.spec, facts)
    num_classes = facts.num_classes
    if num_classes is None:
        num_classes = _run_for_num_classes(facts, facts.spec)
    if dictionary is not None:
        return with_dictionary(facts.spec, dictionary, num_classes, facts.where), OutputLayout()
    facts.spec.charset.check_head(num_classes, facts.where)
    return facts.spec, OutputLayout()


def with_dictionary(
    spec: RecognizerSpec, dictionary: str | Path, num_classes: int, where: str
) -> RecognizerSpec:
    """Replace the characters of a spec by those of a dictionary; warn if they differ.

    Args:
        spec: of the model.
        dictionary: a file of one character per line.
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


def _infer_spec(
    facts: ModelFacts, dictionary: str | Path | None, told: Told
) -> tuple[RecognizerSpec, OutputLayout]:
    """Infer the spec of a model without one; see `spec_of_model`."""
    where = facts.where
    listed = _listed_characters(facts, dictionary)
    spec = _spec_before_running(facts, listed, told)
    outputs, runs = _run_twice(facts, spec)
    # The order of the dimensions gives K, and K decides on the blank and the space.
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
        _warn_of_convention(facts, spec, told)
    activation = "softmax" if _are_probabilities(scores, where) else "none"
    spec = replace(spec, characters=charset.characters, output_activation=activation)
    return spec, layout


def _listed_characters(facts: ModelFacts, dictionary: str | Path | None) -> list[str]:
    """Return the characters of the first of dictionary, metadata and PaddleOCR's file."""
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
    """Return the spec except for what only a run shows; its characters are preliminary."""
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
        resize=told.resize or BILINEAR,
        width=INFERRED_WIDTHS if width is None else WidthPolicy(width, width, width),
    )


def _run_twice(
    facts: ModelFacts, spec: RecognizerSpec
) -> tuple[list[NDArray[np.float32]], tuple[Run, Run]]:
    """Run the network on blank lines, and again on a batch of another size and width.

    Returns:
        the first outputs, of each of `blank_lines`, and the sizes of both runs.
    """
    width_px = spec.width.input_width(_WIDE * spec.height)
    lines = blank_lines(spec.height, width_px, spec.channels)
    batch = batch_from_lines(lines, width_px, spec.mean, spec.std)
    size, fewer = facts.input_shape[0], 1
    if size is None:
        try:
            outputs, size = [facts.run(batch)], len(lines)
        except EngineError:  # the network takes only single lines, though N is declared open
            size = 1
            outputs = [facts.run(part) for part in full_parts(batch, size)]
    else:
        outputs, fewer = [facts.run(part) for part in full_parts(batch, size)], size
    narrow_px = spec.width.input_width(_NARROW * spec.height)
    narrow = np.zeros((fewer, spec.channels, spec.height, narrow_px), np.float32)
    first = Run(size, width_px, outputs[0].shape)
    return outputs, (first, Run(fewer, narrow_px, facts.run(narrow).shape))


def _warn_of_convention(facts: ModelFacts, spec: RecognizerSpec, told: Told) -> None:
    """Warn of the assumed colours and normalisation of a model that may not be PaddleOCR's."""
    is_stated = None not in (told.color_order, told.mean, told.std)
    if is_stated or Path(facts.where).with_name(FILE_NAME).is_file():
        return
    logger.warning(
        "%s says nothing of colours and normalisation: read as PaddleOCR's models are, %s and "
        "(x / 255 - %g) / %g; if the text is wrong, see python -m export adopt --help",
        facts.where,
        "grey" if spec.channels == 1 else spec.color_order,
        spec.mean,
        spec.std,
    )


def _check_input(spec: RecognizerSpec, facts: ModelFacts) -> None:
    """Refuse a network whose input contradicts its spec."""
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


def _run_for_num_classes(facts: ModelFacts, spec: RecognizerSpec) -> int:
    """Return K of the output for lines of the least width."""
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
    """Tell whether scores, float [N, T, K], sum to 1 over the classes, as after a softmax."""
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
            where,
            float(sums.flat[0]),
        )
    return False
