"""How well labelled lines are read, for every form of a network side by side.

    python -m benchmarks.accuracy --labels val.tsv … --models student.onnx student_fp16.onnx

Exact lines with and without case, letters and digits alone, character errors, calibration of the
confidence, and the worst lines. Exit status: 0 measured, 1 a form failed that is here, 2 nothing
could be measured.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.accuracy.pictures import draw_calibration, draw_worst, write_crops
from benchmarks.accuracy.readers import Reader, open_reader
from benchmarks.accuracy.scores import Reading, calibration_of, scores_of, worst
from benchmarks.measuring.command import command_parser, run_command
from benchmarks.measuring.lines import LabelledLine, find_lines
from benchmarks.measuring.result import Failure, Measure, Result, measure, surroundings
from runtime.engines import ENGINE_SUFFIXES
from runtime.errors import EngineError, OcrError
from runtime.files import sha256_of_file
from runtime.images.read import read_image
from runtime.recognition.spec import INTERPOLATIONS

_PLAIN_NAMES = ("val", "train", "test", "labels")
NUM_WORST = 12
ALL = "all"


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.accuracy", __doc__)
    add = parser.add_argument
    add("--labels", type=Path, nargs="+", required=True, help="label files, path<TAB>text")
    add("--models", type=Path, nargs="+", required=True, help=".onnx, FP32 or FP16, and .plan")
    add("--count", type=int, default=500, help="of each label file; default: %(default)s")
    add("--resize", nargs="+", choices=INTERPOLATIONS, help="FP32 models in each of these ways")
    add("--least-height", type=int, default=1, metavar="PX", help="of lines that are read")
    add("--output", type=Path, metavar="FILE", help="everything as JSON, pictures beside it")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    return run_command(options_parser(), measure_accuracy, arguments, report_lines)


def measure_accuracy(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Read all lines with every form.

    Raises:
        OcrError: if a label file names nothing.
    """
    around = surroundings()
    packs = {
        _name_of(file): _labelled_lines(file, options.count, options.least_height)
        for file in options.labels
    }
    if len(packs) < len(options.labels):
        raise OcrError("expected label files of different names, got two of one; rename one")
    hashes = {name: _sha256_of(lines) for name, lines in packs.items()}
    read, titles, failures = _read_all(options.models, options.resize or (None,), packs)
    details = {
        name: {"title": titles[name], **_details_of(by_pack)} for name, by_pack in read.items()
    }
    # The first form is the reference: how many texts do the others read as it does?
    first = next(iter(read.values()), {})
    for name, by_pack in read.items():
        pairs = zip(_flat(first), _flat(by_pack), strict=True)
        details[name]["as_the_first"] = sum(
            before.text == reading.text for before, reading in pairs
        )
    if options.output is not None and read:
        _write_pictures(options.output, read, details)
    return Result(
        benchmark="accuracy",
        title="Labelled lines, read by every form",
        command=("python", "-m", "benchmarks.accuracy", *command),
        inputs={
            "lines": {
                name: {"number": len(lines), "sha256": hashes[name]}
                for name, lines in packs.items()
            },
            "models": {
                name: {"sha256": sha256_of_file(file)}
                for name, file in _by_name(options.models).items()
                if file.is_file()
            },
        },
        settings={"count": options.count, "least_height_px": options.least_height},
        measures=tuple(
            figure for name, by_pack in read.items() for figure in _measures(name, by_pack)
        ),
        failures=tuple(failures),
        details={"forms": details},
        **around,
    )


def _name_of(file: Path) -> str:
    """Return what a reader would call the lines of a label file."""
    return file.resolve().parent.name if file.stem in _PLAIN_NAMES else file.stem


def _by_name(models: Sequence[Path]) -> dict[str, Path]:
    """Key models by their file's name, or by their path where two files have the same name."""
    times = Counter(file.name for file in models)
    return {file.name if times[file.name] == 1 else str(file): file for file in models}


def _labelled_lines(file: Path, count: int, least_height: int) -> list[LabelledLine]:
    lines = [line for line in find_lines(file, count) if line.text is not None]
    if least_height > 1:
        lines = [line for line in lines if read_image(line.path).shape[0] >= least_height]
    if not lines:
        raise OcrError(
            f"no labels in {file}: expected lines of path, tab and text, of images at least "
            f"{least_height} px high; check --labels"
        )
    return lines


def _sha256_of(lines: Sequence[LabelledLine]) -> str:
    """Hash the image files and their labels."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(hashlib.sha256(Path(line.path).read_bytes()).digest())
        digest.update(f"{line.text}\n".encode())
    return digest.hexdigest()


_ByPack = Mapping[str, Sequence[Reading]]


def _read_all(
    models: Sequence[Path],
    resizes: Sequence[str | None],
    packs: Mapping[str, Sequence[LabelledLine]],
) -> tuple[dict[str, _ByPack], dict[str, str], list[Failure]]:
    read: dict[str, _ByPack] = {}
    titles, failures = {}, []
    total = sum(map(len, packs.values()))
    forms = list(product(_by_name(models).items(), resizes))
    with tqdm(total=len(forms) * total, desc="accuracy", unit="line") as bar:
        for (name, model), resize in forms:
            form = name if resize is None else f"{name}, {resize}"
            bar.set_postfix_str(form)
            try:
                reader = open_reader(model, resize)
                read[form] = {pack: _readings(reader, lines, bar) for pack, lines in packs.items()}
                titles[form] = reader.title
            except OcrError as error:
                is_absent = isinstance(error, EngineError) and model.suffix in ENGINE_SUFFIXES
                failures.append(Failure(form, str(error), is_absent=is_absent))
    return read, titles, failures


def _readings(reader: Reader, lines: Sequence[LabelledLine], bar: Any) -> list[Reading]:
    """Read lines and advance a progress bar with each."""
    readings = []
    read = reader.read([line.path for line in lines])
    for line, (text, confidence, error) in zip(lines, read, strict=True):
        readings.append(Reading(line.path, str(line.text), text, confidence, error))
        bar.update()
    return readings


def _flat(by_pack: _ByPack) -> list[Reading]:
    return [reading for readings in by_pack.values() for reading in readings]


def _details_of(by_pack: _ByPack) -> dict[str, Any]:
    every = _flat(by_pack)
    return {
        "packs": {
            **{name: scores_of(readings).as_json() for name, readings in by_pack.items()},
            ALL: scores_of(every).as_json(),
        },
        "calibration": calibration_of(every).as_json(),
    }


def _measures(name: str, by_pack: _ByPack) -> Iterator[Measure]:
    for pack, readings in {**by_pack, ALL: _flat(by_pack)}.items():
        scores = scores_of(readings).as_json()
        for key in ("exact", "any_case", "letters_and_digits"):
            share = scores[key] / max(1, scores["lines"])
            title = key.replace("_", " ")
            yield measure(f"{name} / {pack} / {title}", "share", "higher", [share], is_exact=True)
        errors = [scores["character_errors"]]
        yield measure(f"{name} / {pack} / character errors", "share", "lower", errors, True)
    error = calibration_of(_flat(by_pack)).expected_error
    yield measure(f"{name} / {ALL} / calibration error", "share", "lower", [error], True)


def _write_pictures(
    output: Path, read: Mapping[str, _ByPack], details: dict[str, dict[str, Any]]
) -> None:
    """Write pictures beside the result; name the crops of the first form's worst lines in it."""
    calibrations = {name: calibration_of(_flat(by_pack)) for name, by_pack in read.items()}
    draw_calibration(calibrations, output.with_suffix(".png"))
    name = next(iter(read))
    found = worst(_flat(read[name]), NUM_WORST)
    folder = output.with_name(f"{output.stem}_worst")
    draw_worst(found, output.with_name(f"{output.stem}_worst.png"), name)
    details[name]["worst"] = [
        {
            "label": reading.label,
            "text": reading.text,
            "confidence": reading.confidence,
            "errors": reading.num_errors,
            "picture": f"{folder.name}/{crop}" if crop else None,
        }
        for reading, crop in zip(found, write_crops(found, folder), strict=True)
    ]


def report_lines(result: Result) -> Iterator[str]:
    """Yield a row for each form and pack, the calibration, then what could not be read."""
    for name, form in result.details["forms"].items():
        yield f"{name}: {form['title']}"
        for pack, row in form["packs"].items():
            number = max(1, row["lines"])
            yield (
                f"  {pack}: {row['lines']} lines: exact {100 * row['exact'] / number:.1f} %, any "
                f"case {100 * row['any_case'] / number:.1f} %, letters and digits "
                f"{100 * row['letters_and_digits'] / number:.1f} %, character errors "
                f"{100 * row['character_errors']:.2f} %"
            )
        yield (
            f"  calibration error {form['calibration']['expected_error']:.3f}; "
            f"{form['as_the_first']} texts as the first form reads them"
        )
    for failure in result.failures:
        yield f"{failure.what}: {'not here' if failure.is_absent else 'FAILED'}: {failure.reason}"


if __name__ == "__main__":
    sys.exit(main())
