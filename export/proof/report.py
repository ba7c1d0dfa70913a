"""Several forms of one network held against the first: agreement, accuracy, a picture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from export.contract import ModelContract, images_to_compare, model_contract
from export.proof.compare import INEXACT_TOLERANCE, TOLERANCE, Agreement, compare_all
from export.proof.forms import ScoreForm, form_of_file
from export.proof.outputs import Form
from export.proof.rounding import (
    ALLOWED_TYPICAL,
    ALLOWED_WORST,
    Rounding,
    measure_rounding,
    nudged_inputs,
    samples_to_draw,
    widely_nudged_inputs,
)
from export.proof.samples import readable_images
from runtime.errors import ArtifactError, OcrError

if TYPE_CHECKING:
    from export.chain import Source

log = logging.getLogger("export")

NUM_PICTURED = 12
_CELL_WIDTH_PX = 560

Widen = Callable[[], Sequence[Form]]
Rounded = Callable[[Form], tuple[Form, Sequence[Form], Widen]]
"""The reference -> what `measure_rounding` takes: the exact form, draws, and wider ones."""


@dataclass(frozen=True)
class VerifyOptions:
    """What to compare.

    Args:
        models: ONNX models and engines.
        source: the checkpoint to hold them against; the first model without.
        images: to compare on; rendered ones without.
        labels: their true text, a PaddleOCR label file.
        dictionary: for models that carry no characters.
        tolerance: on any probability; by the precision of the forms when None.
        picture: where to draw the worst images.
    """

    models: Sequence[Path]
    source: Source | None = None
    images: Sequence[str | Path] = ()
    labels: Path | None = None
    dictionary: Path | None = None
    tolerance: float | None = None
    picture: Path | None = None


def verify(options: VerifyOptions) -> dict[str, Any]:
    """Compare every form with the first.

    Returns:
        the figures of each comparison, and whether all of them passed.

    Raises:
        OcrError: if a form cannot be opened, or no line be read.
    """
    forms = [form_of_file(path, options.dictionary) for path in options.models]
    rounded: Rounded = _rounded_by_inputs
    if options.source is not None:
        checkpoint, rounded = _form_of_checkpoint(options.source)
        forms.insert(0, checkpoint)
    (reference, contract), *candidates = forms
    for form, form_contract in candidates:
        _check_same_network(reference, contract, form, form_contract)
    named, num_unreadable, images_from = _images(options, contract)
    samples = contract.samples(list(named.values()), images_from)
    others = [form for form, _ in candidates]
    log.info("comparing %s on %s", ", ".join(form.name for form, _ in forms), images_from)
    agreements = compare_all(reference, others, contract, samples)
    compared = list(zip(others, agreements, strict=True))
    results = []
    for form, agreement in compared:
        # Two forms in FP32 beyond the tolerance: rounding may account for it, which is measured.
        is_exact = reference.is_exact and form.is_exact
        rounding = None
        if is_exact and options.tolerance is None and not agreement.is_within(TOLERANCE):
            exact, draws, widen = rounded(reference)
            drawn = samples_to_draw(samples, [agreement])
            (rounding,) = measure_rounding(exact, draws, [form], drawn, widen)
        results.append(_judge(form, agreement, options.tolerance, is_exact, rounding))
    report: dict[str, Any] = {
        "reference": reference.name,
        "num_unreadable": num_unreadable,
        "comparisons": results,
        "passed": all(result["passed"] for result in results),
    }
    if options.labels is not None:
        truth = contract.truth(options.labels, list(named))
        report["accuracy"] = _accuracy(reference, contract, compared, truth)
    if options.picture is not None:
        _draw_worst(options.picture, reference, compared, samples.images)
        report["picture"] = str(options.picture)
    return report


def _form_of_checkpoint(source: Source) -> tuple[tuple[Form, ModelContract], Rounded]:
    from export.chain import spec_of_network, stripped_network
    from export.conversion.strip import deployed_outputs
    from export.proof.exact import drawn_forms, exact_form, wider_forms

    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped)
    contract = model_contract(spec)

    def rounded(_: Form) -> tuple[Form, Sequence[Form], Widen]:
        exact, draws = exact_form(stripped, spec), drawn_forms(stripped, spec)
        return exact, draws, lambda: wider_forms(stripped, spec)

    return (ScoreForm("paddle", contract, deployed_outputs(stripped.network)), contract), rounded


def _rounded_by_inputs(reference: Form) -> tuple[Form, Sequence[Form], Widen]:
    assert isinstance(reference, ScoreForm)  # no other form computes in FP32 throughout
    return reference, nudged_inputs(reference), lambda: widely_nudged_inputs(reference)


def _check_same_network(
    reference: Form, contract: ModelContract, form: Form, form_contract: ModelContract
) -> None:
    if contract.spec.task != form_contract.spec.task:
        raise ArtifactError(
            f"{form.name} and {reference.name} are not forms of one network: expected the task "
            f"{contract.spec.task}, got {form_contract.spec.task}"
        )
    for what in contract.agreed_fields:
        expected, got = getattr(contract.spec, what), getattr(form_contract.spec, what)
        if expected != got:
            if isinstance(expected, tuple):
                expected, got = f"{len(expected)} of them", f"{len(got)}, or others"
            raise ArtifactError(
                f"{form.name} and {reference.name} are not forms of one network: expected "
                f"{what} {expected}, got {got}; compare models made from the same checkpoint"
            )


def _images(
    options: VerifyOptions, contract: ModelContract
) -> tuple[Mapping[str, NDArray[np.uint8]], int, str]:
    if not options.images:
        images, images_from = images_to_compare((), contract)
        return {str(number): image for number, image in enumerate(images)}, 0, images_from
    named, num_unreadable = readable_images(options.images)
    return named, num_unreadable, f"{len(named)} images"


def _judge(
    form: Form,
    agreement: Agreement,
    tolerance: float | None,
    is_exact: bool,
    rounding: Rounding | None,
) -> dict[str, Any]:
    """Judge one comparison; beyond the tolerance it passes if rounding explains it."""
    allowed = tolerance
    if allowed is None:
        allowed = TOLERANCE if is_exact else INEXACT_TOLERANCE
    is_explained = rounding is not None and rounding.explains and rounding.is_decided
    is_passed = agreement.is_within(allowed) or is_explained
    log.info(
        "%s %s: %d of %d read the same, %d of %d decisions equal, %s within %.3g (mean %.2g, "
        "allowed %.2g)",
        "passed" if is_passed else "FAILED",
        form.name,
        agreement.num_equal,
        agreement.num_samples,
        agreement.num_equal_decisions,
        agreement.num_decisions,
        agreement.compares,
        agreement.max_difference,
        agreement.mean_difference,
        allowed,
    )
    if agreement.is_vacuous:
        log.warning("%s", agreement.caution)
    if rounding is not None:
        log.info(
            "  it is %.3g times as far off as rounding carries the median line, at most %.3g times "
            "(allowed %g and %g)",
            rounding.typical,
            rounding.worst,
            ALLOWED_TYPICAL,
            ALLOWED_WORST,
        )
    return {
        "candidate": form.name,
        **agreement.as_json(),
        **({"rounding": rounding.as_json()} if rounding is not None else {}),
        "tolerance": allowed,
        "passed": is_passed,
    }


def _accuracy(
    reference: Form,
    contract: ModelContract,
    compared: Sequence[tuple[Form, Agreement]],
    truth: Sequence[Any],
) -> dict[str, Any]:
    """Score every form against the labels."""
    labelled = [number for number, label in enumerate(truth) if label is not None]
    if not labelled:
        raise ArtifactError(
            "none of the images has a label: expected paths relative to the label file's folder; "
            "check --labels and --images"
        )
    expected = [truth[number] for number in labelled]
    read = {reference.name: [sample.expected for sample in compared[0][1].samples]}
    read |= {
        form.name: [sample.got for sample in agreement.samples] for form, agreement in compared
    }
    accuracy = {
        name: contract.accuracy([readings[number] for number in labelled], expected)
        for name, readings in read.items()
    }
    for name, figures in accuracy.items():
        shown = ", ".join(f"{what} {value:.4f}" for what, value in figures.items())
        log.info("%s on %d labelled images: %s", name, len(labelled), shown)
    return {"num_labelled": len(labelled), "forms": accuracy}


def _draw_worst(
    path: Path,
    reference: Form,
    compared: Sequence[tuple[Form, Agreement]],
    images: Sequence[NDArray[np.uint8]],
) -> None:
    """Draw the images that differ most, each above what the forms read and how far they are."""
    try:
        from runtime.files import write_atomically
        from training.data.synthetic.fonts import build_font_book
        from training.data.synthetic.preview import contact_sheet
    except ImportError as error:
        raise OcrError(
            f"--picture cannot be drawn here ({error}): pip install 'distilrec[train]'"
        ) from error
    badness = {
        position: max(agreement.samples[position].badness for _, agreement in compared)
        for position in range(len(images))
    }
    worst = sorted(badness, key=lambda position: badness[position], reverse=True)[:NUM_PICTURED]
    drawn = []
    for position in worst:
        label = [f"{reference.name}: {compared[0][1].samples[position].expected}"]
        for form, agreement in compared:
            sample = agreement.samples[position]
            sign = "=" if sample.is_equal else "\u2260"
            label.append(f"{sign} {Path(form.name).name}: {sample.got}   ({sample.difference:.2g})")
        drawn.append((images[position], "\n".join(label)))
    characters = {character for _, label in drawn for character in label if character != "\n"}
    ascii_only = {character for character in characters if character.isascii()}
    try:
        fonts = build_font_book(characters)
    except OcrError:  # no font here has some character: leave it out
        fonts = build_font_book(ascii_only)
    sheet = contact_sheet(drawn, fonts, columns=2, cell_width_px=_CELL_WIDTH_PX)
    _, encoded = cv2.imencode(".png", sheet)
    try:
        write_atomically(path, encoded.tobytes())
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror}; check --picture") from error
