"""Which steps there are, in which order, and how large each is."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.machine import ROOT
from benchmarks.throughput.contenders import bundled_model
from runtime.errors import EngineError, OcrError


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Args:
        lines: rendered, and taken of each file of real lines.
        rounds: of every alternation.
        cold_starts: of every reader.
        batches, widths: of the latency sweep.
        seconds: of each of its shapes in each round.
        training: options of `benchmarks.training`.
    """

    lines: int
    rounds: int
    cold_starts: int
    batches: tuple[int, ...]
    widths: tuple[int, ...]
    seconds: float
    training: tuple[str, ...]


SIZES = {
    "quick": Size(
        60, 1, 1, (1, 4), (64, 320), 0.1,
        ("--rounds", "1", "--steps", "2", "--warmup", "1", "--contenders", "ours"),
    ),
    "default": Size(
        400, 3, 3, (1, 2, 4, 8, 16), (64, 160, 320, 640), 0.3,
        ("--rounds", "2", "--steps", "3", "--warmup", "1", "--contenders", "ours,paddle"),
    ),
    "thorough": Size(
        1000, 5, 5, (1, 2, 4, 8, 16, 32), (64, 160, 320, 640, 1280), 1.0,
        ("--rounds", "3", "--steps", "6", "--frozen-teacher"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One command of the suite.

    Args:
        name: of the step, of its log, and of its result.
        command: what follows `python -m`.
        needs: steps that have to have succeeded.
        result: the file that it writes for the report; None where it only prepares.
        absent: why it is not run here; None where it is.
    """

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    result: Path | None = None
    absent: str | None = None


_Measuring = Callable[..., Step]


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for.

    Args:
        output: folder of everything.
        size: how much.
        data: folder of packs of real lines; None without.
        model: an ONNX file to read real lines with; RapidOCR's own when None.
        paddleocr: a checkout; None without.
    """

    output: Path
    size: Size
    data: Path | None = None
    model: Path | None = None
    paddleocr: Path | None = None


def steps_of(wanted: Wanted) -> list[Step]:
    """Return all steps in order."""
    return [*_preparing(wanted), *_measuring(wanted)]


def engine_absence() -> str | None:
    """Tell why no TensorRT engine can be built and run here; None where it can."""
    from runtime.engines.tensorrt.library import load_tensorrt, require_driver

    try:
        load_tensorrt()
        require_driver()
    except EngineError as error:
        return str(error)
    return None


def _preparing(wanted: Wanted) -> Iterator[Step]:
    model, lines = wanted.output / "model", wanted.output / "lines"
    yield Step("model", (
        "export", "-c", "configs/small.yml", "--checkpoint", "weights/small_start",
        "--network", "Student", "--output-dir", shown(model), "--images", "images",
        "--fp16", "--engine", "none",
    ))  # fmt: skip
    yield Step("lines", (
        "training.data.synthetic", "--output", shown(lines), "--force", "--seed", "77",
        "--count", str(wanted.size.lines), "--dictionary", "configs/small_dict.txt",
        "--use-space-char", "--difficulty", "0.4", "--min-length", "3", "--max-length", "14",
    ))  # fmt: skip
    absent = engine_absence()
    for precision, file in (("fp32", "student.onnx"), ("fp16", "student_fp16.onnx")):
        words = ("--onnx", shown(model / file), "--saveEngine", shown(model / f"{precision}.plan"))
        command = ("export", "build", *words)
        yield Step(f"engine_{precision}", command, ("model",), None, absent)


def _measuring(wanted: Wanted) -> Iterator[Step]:
    size, model = wanted.size, wanted.output / "model"
    results = wanted.output / "results"
    student, half = shown(model / "student.onnx"), shown(model / "student_fp16.onnx")
    labels = shown(wanted.output / "lines" / "train.txt")
    has_engine = engine_absence() is None
    plans = (
        [shown(model / f"{precision}.plan") for precision in ("fp32", "fp16")] if has_engine else []
    )
    engines = ("engine_fp32", "engine_fp16") if has_engine else ()
    own = ("model", "lines", *engines)

    def measuring(
        name: str, command: tuple[str, ...], needs: tuple[str, ...] = own, absent: str | None = None
    ) -> Step:
        result = results / f"{name}.json"
        return Step(name, (*command, "--output", shown(result)), needs, result, absent)

    forms = ("--models", student, half, *plans)
    yield measuring(
        "accuracy", ("benchmarks.accuracy", "--labels", "images/labels.txt", labels, *forms)
    )
    reading = (
        "benchmarks.throughput", "--rounds", str(size.rounds),
        "--cold-starts", str(size.cold_starts), "--count", str(size.lines),
    )  # fmt: skip
    has_peer = importlib.util.find_spec("rapidocr") is not None
    peer = ("--peer", "rapidocr" if has_peer else "none")
    yield measuring("throughput", (*reading, *peer, "--images", labels, "--model", student))
    yield from _with_peers(wanted, measuring, reading, labels, student)
    latency = ["benchmarks.latency", "--model", student, "--half", half]
    latency += ["--plans", *plans] if plans else []
    latency += ["--batches", *map(str, size.batches), "--widths", *map(str, size.widths)]
    latency += ["--rounds", str(min(3, size.rounds)), "--seconds", str(size.seconds)]
    yield measuring("latency", tuple(latency))
    checkout = ("--paddleocr", shown(wanted.paddleocr)) if wanted.paddleocr else ()
    yield measuring("training", ("benchmarks.training", *size.training, *checkout), ())


def _with_peers(
    wanted: Wanted, measuring: _Measuring, reading: tuple[str, ...], labels: str, student: str
) -> Iterator[Step]:
    """Yield the steps that need others' models, others' code, or real lines."""
    strong, absent = wanted.model, None
    if strong is None:
        try:
            strong = bundled_model("rapidocr")
        except OcrError as error:
            absent = str(error)
    lines = labels if wanted.data is None else shown(wanted.data)
    needs = ("lines",) if wanted.data is None else ()
    file = ("--model", shown(strong)) if strong else ()
    yield measuring("throughput_strong", (*reading, "--images", lines, *file), needs, absent)
    if wanted.data is not None:
        packs = [shown(file) for file in sorted(wanted.data.glob("*/val.tsv"))]
        model = ("--models", shown(strong)) if strong else ()
        count = ("--count", str(max(50, wanted.size.lines // 4)))
        command = ("benchmarks.accuracy", "--labels", *packs, *model, *count)
        nothing = None if packs else f"no */val.tsv in {wanted.data}"
        yield measuring("accuracy_real", command, (), absent or nothing)
    if wanted.paddleocr is not None:
        inference = shown(wanted.output / "model" / "student")
        peer = ("--peer", "paddleocr", "--paddleocr", shown(wanted.paddleocr))
        command = (*reading, *peer, "--inference", inference, "--images", labels)
        command = (*command, "--model", student)
        yield measuring("throughput_paddleocr", command, ("model", "lines"))


def shown(path: Path) -> str:
    """Write a path as commands have it: from the repository's root where it lies inside."""
    place = Path(os.path.abspath(path))
    return str(place.relative_to(ROOT)) if place.is_relative_to(ROOT) else str(place)
