"""Several forms of one network held against the first: agreement, accuracy, a picture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from export.proof.compare import (
    INEXACT_TOLERANCE,
    TOLERANCE,
    Comparison,
    compare_forms,
)
from export.proof.forms import Form, ProbabilityForm, form_of_file
from export.proof.rounding import (
    ALLOWED_TYPICAL,
    ALLOWED_WORST,
    Rounding,
    lines_to_draw,
    measure_rounding,
    nudged_inputs,
    widely_nudged_inputs,
)
from export.proof.samples import comparison_lines, readable_lines
from runtime.errors import ArtifactError, OcrError
from runtime.recognition.labels import Labels
from runtime.recognition.preprocess import Image
from runtime.recognition.spec import RecognizerSpec

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
        images: line images; rendered ones without.
        labels: their true text, a PaddleOCR label file.
        dictionary: for models that carry no characters.
        tolerance: on any probability; by the precision of the forms when None.
        picture: where to draw the worst lines.
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
    (reference, spec), *candidates = forms
    for form, other in candidates:
        _check_same_contract(reference, spec, form, other)
    named, num_unreadable, lines_from = _lines(options, spec)
    lines = list(named.values())
    compared = []
    for form, _ in candidates:
        comparison = compare_forms(reference, form, spec, lines, lines_from)
        compared.append((form, comparison))
    results = []
    for form, one in compared:
        is_exact = reference.is_exact and form.is_exact
        rounding = None
        if is_exact and options.tolerance is None and not one.parity.is_within(TOLERANCE):
            exact, draws, widen = rounded(reference)
            drawn = lines_to_draw(lines, [one])
            (rounding,) = measure_rounding(exact, draws, [form], spec, drawn, widen)
        results.append(_result(form, one, options.tolerance, is_exact, rounding))
    report: dict[str, Any] = {
        "reference": reference.name,
        "num_unreadable": num_unreadable,
        "comparisons": results,
        "passed": all(result["passed"] for result in results),
    }
    if options.labels is not None:
        report["accuracy"] = _accuracy(reference, compared, Labels(options.labels), list(named))
    if options.picture is not None:
        _draw_worst(options.picture, reference, compared, lines)
        report["picture"] = str(options.picture)
    return report


def _form_of_checkpoint(source: Source) -> tuple[tuple[Form, RecognizerSpec], Rounded]:
    from export.chain import spec_of_network, stripped_network
    from export.conversion.strip import deployed_outputs
    from export.proof.exact import drawn_forms, exact_form, wider_forms

    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped)

    def rounded(_: Form) -> tuple[Form, Sequence[Form], Widen]:
        exact, draws = exact_form(stripped, spec), drawn_forms(stripped, spec)
        return exact, draws, lambda: wider_forms(stripped, spec)

    form = ProbabilityForm("paddle", spec, deployed_outputs(stripped.network))
    return (form, spec), rounded


def _rounded_by_inputs(reference: Form) -> tuple[Form, Sequence[Form], Widen]:
    assert isinstance(reference, ProbabilityForm)  # no other form computes in FP32 throughout
    return reference, nudged_inputs(reference), lambda: widely_nudged_inputs(reference)


def _check_same_contract(
    reference: Form, spec: RecognizerSpec, form: Form, other: RecognizerSpec
) -> None:
    for what in ("characters", "height", "channels", "color_order", "mean", "std"):
        expected, got = getattr(spec, what), getattr(other, what)
        if expected != got:
            if what == "characters":
                expected, got = f"{len(expected)} of them", f"{len(got)}, or others"
            raise ArtifactError(
                f"{form.name} and {reference.name} are not forms of one network: expected "
                f"{what} {expected}, got {got}; compare models made from the same checkpoint"
            )


def _lines(options: VerifyOptions, spec: RecognizerSpec) -> tuple[Mapping[str, Image], int, str]:
    if not options.images:
        lines, lines_from = comparison_lines((), spec.charset)
        return {str(number): line for number, line in enumerate(lines)}, 0, lines_from
    named, num_unreadable = readable_lines(options.images)
    return named, num_unreadable, f"{len(named)} images"


def _result(
    form: Form,
    comparison: Comparison,
    tolerance: float | None,
    is_exact: bool,
    rounding: Rounding | None,
) -> dict[str, Any]:
    """What came of one comparison; beyond the tolerance it passes if rounding explains it."""
    allowed = tolerance
    if allowed is None:
        allowed = TOLERANCE if is_exact else INEXACT_TOLERANCE
    parity = comparison.parity
    is_explained = rounding is not None and rounding.explains and rounding.is_decided
    is_passed = parity.is_within(allowed) or is_explained
    log.info(
        "%s %s: %d of %d texts equal, best path equal at %.3f %% of the time steps, %s within "
        "%.3g (mean %.2g, allowed %.2g)",
        *("passed" if is_passed else "FAILED", form.name, parity.num_equal_texts),
        *(parity.num_lines, 100 * parity.argmax_agreement, parity.compares),
        *(parity.max_difference, parity.mean_difference, allowed),
    )
    if rounding is not None:
        log.info(
            "  it is %.3g times as far off as rounding carries the median line, at most %.3g times "
            "(allowed %g and %g)",
            *(rounding.typical, rounding.worst, ALLOWED_TYPICAL, ALLOWED_WORST),
        )
    return {
        "candidate": form.name,
        **parity.as_json(),
        **({"rounding": rounding.as_json()} if rounding is not None else {}),
        "tolerance": allowed,
        "passed": is_passed,
    }


def _accuracy(
    reference: Form,
    compared: Sequence[tuple[Form, Comparison]],
    labels: Labels,
    names: Sequence[str],
) -> dict[str, Any]:
    """Share read exactly and 1 - mean normalised edit distance of every form, spaces counted."""
    try:
        from training.recognition.metrics import RecMetric
    except ImportError as error:
        raise OcrError(
            f"accuracy cannot be told here ({error}): pip install 'distilrec[train]'"
        ) from error
    truth = {number: labels.text_of(name) for number, name in enumerate(names)}
    labelled = [number for number, text in truth.items() if text is not None]
    if not labelled:
        raise ArtifactError(
            "none of the images has a label: expected paths relative to the label file's folder; "
            "check --labels and --images"
        )

    def figures(texts: Sequence[str]) -> dict[str, float]:
        metric = RecMetric(ignore_space=False)
        expected = [(str(truth[number]), 1.0) for number in labelled]
        return metric(([(texts[number], 1.0) for number in labelled], expected))

    first = compared[0][1]
    read = {reference.name: [line.expected for line in first.lines]}
    read |= {form.name: [line.got for line in one.lines] for form, one in compared}
    accuracy = {name: figures(texts) for name, texts in read.items()}
    for name, one in accuracy.items():
        log.info(
            "%s read %.2f %% of %d labelled lines exactly, 1 - edit distance %.4f",
            *(name, 100 * one["acc"], len(labelled), one["norm_edit_dis"]),
        )
    return {"num_labelled": len(labelled), "forms": accuracy}


def _draw_worst(
    path: Path,
    reference: Form,
    compared: Sequence[tuple[Form, Comparison]],
    lines: Sequence[Image],
) -> None:
    """The lines that differ most, each above what the forms read in it and how far they are."""
    try:
        from runtime.files import write_atomically
        from training.data.synthetic.fonts import build_font_book
        from training.data.synthetic.preview import contact_sheet
    except ImportError as error:
        raise OcrError(
            f"--picture cannot be drawn here ({error}): pip install 'distilrec[train]'"
        ) from error
    badness = {
        position: max(one.lines[position].badness for _, one in compared)
        for position in range(len(lines))
    }
    worst = sorted(badness, key=lambda position: badness[position], reverse=True)[:NUM_PICTURED]
    drawn = []
    for position in worst:
        label = [f"{reference.name}: {compared[0][1].lines[position].expected}"]
        for form, one in compared:
            line = one.lines[position]
            sign = "=" if line.got == line.expected else "\u2260"
            label.append(f"{sign} {Path(form.name).name}: {line.got}   ({line.difference:.2g})")
        drawn.append((lines[position], "\n".join(label)))
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
