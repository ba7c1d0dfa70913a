"""Show on one GPU what only a GPU can show, in minutes, and keep it as one result file.

    python -m benchmarks.gpu --output benchmarks/results/gpu.json [--plan student.plan]

Checked are CUDA under this project's buffers and graphs; then lines are read on the CPU, by
onnxruntime on CUDA in each of its ways to find convolutions, with the engine graph that normalises
and decodes on the GPU, and with a TensorRT plan where one is given. Text is held against the CPU's.
With --keep-search the fastest way to find convolutions is kept beside the model, for this GPU and
this version of onnxruntime, and used from then on.

Exit status: 0 all that is here passed, 1 something failed, 2 there is no GPU.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.gpu.device import checks, microseconds_per_call
from benchmarks.gpu.reading import Reading, read_with
from benchmarks.gpu.search import keep_fastest
from benchmarks.measuring.result import (
    Failure,
    Measure,
    Result,
    measure,
    save_result,
    surroundings,
)
from runtime.engines.conv_search import SEARCHES
from runtime.engines.cuda import Cuda, Gpu, open_cuda, require_gpu
from runtime.errors import OcrError
from runtime.files import sha256_of_file
from runtime.images.read import find_images
from runtime.recognition.model.default import default_model


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    command = tuple(sys.argv[1:] if arguments is None else arguments)
    try:
        cuda = open_cuda()
        gpu = require_gpu(cuda, options.device)
    except OcrError as error:
        print(f"benchmarks.gpu: {error}", file=sys.stderr)
        return 2
    result = run(options, cuda, gpu, command)
    for failure in result.failures:
        state = "not here" if failure.is_absent else "FAILED"
        print(f"{state}: {failure.what}: {failure.reason}")
    for figure in result.measures:
        print(f"{figure.name}: {figure.value:.4g} {figure.unit}")
    if options.output is not None:
        save_result(options.output, result)
    return int(result.has_failed)


def run(options: argparse.Namespace, cuda: Cuda, gpu: Gpu, command: tuple[str, ...]) -> Result:
    """Check and measure everything that is here."""
    around = surroundings()
    model = options.model or default_model()
    images = list(find_images(options.images))
    measures: list[Measure] = []
    failures: list[Failure] = []
    for name, check in checks(cuda, gpu.device_id):
        try:
            check()
        except Exception as error:  # whatever a device does, the others are checked
            failures.append(Failure(name, f"{type(error).__name__}: {error}"))
        else:
            measures.append(measure(f"CUDA / {name}", "passed", "higher", [1.0], is_exact=True))
    try:
        for name, us in microseconds_per_call(cuda, gpu.device_id).items():
            measures.append(measure(f"CUDA / {name}", "us", "lower", [us]))
    except OcrError as error:  # after a check that left the device in disorder, say
        failures.append(Failure("time of a call", str(error)))
    with tempfile.TemporaryDirectory() as scratch:
        for figure in _readings(options, model, images, Path(scratch)):
            (failures if isinstance(figure, Failure) else measures).append(figure)  # type: ignore[arg-type]
    return Result(
        benchmark="gpu",
        title="What a GPU shows",
        command=("python", "-m", "benchmarks.gpu", *command),
        inputs={"model": {"name": model.name, "sha256": sha256_of_file(model)}},
        settings={"lines": len(images), "passes": options.passes},
        measures=tuple(measures),
        failures=tuple(failures),
        details={"gpu": vars(gpu), "cuda": cuda.name},
        **around,
    )


def _readings(
    options: argparse.Namespace, model: Path, images: list[str], scratch: Path
) -> Iterator[Measure | Failure]:
    """Read in every way, each held against the CPU."""
    expected = read_with(model, images, "cpu", options.passes)
    yield from _figures("onnxruntime on the CPU", expected, expected, len(images))
    ways = [(f"onnxruntime on CUDA, {search}", model, "cuda", search) for search in SEARCHES]
    graph = scratch / "student_gpu.onnx"
    try:
        from export.engine.graph_file import write_engine_graph

        write_engine_graph(model, graph)
        ways.append(("engine graph on CUDA", graph, "cuda", ""))
    except (OcrError, ImportError) as error:
        yield Failure("engine graph on CUDA", " ".join(str(error).split()), is_absent=True)
    if options.plan is not None:
        ways.append(("TensorRT", options.plan, "auto", ""))
    searched: dict[str, Reading] = {}
    for name, file, device, search in ways:
        try:
            reading = read_with(file, images, device, options.passes, search)
        except OcrError as error:
            is_absent = "no CUDA in this onnxruntime" in str(error) or "cannot be imported" in str(
                error
            )
            yield Failure(name, " ".join(str(error).split()), is_absent)
            continue
        yield from _figures(name, reading, expected, len(images))
        if search and reading.texts == expected.texts:
            searched[search] = reading
    if options.keep_search:
        try:
            print(keep_fastest(model, searched, options.device), file=sys.stderr)
        except OcrError as error:
            yield Failure("keeping the fastest search", str(error), is_absent=not searched)


def _figures(
    name: str, reading: Reading, expected: Reading, num_lines: int
) -> Iterator[Measure | Failure]:
    yield measure(f"{name} / lines per second", "lines/s", "higher", reading.lines_per_s)
    yield measure(f"{name} / first pass", "s", "lower", [reading.first_s])
    num_equal = reading.num_equal(expected)
    yield measure(f"{name} / texts as on the CPU", "lines", "higher", [num_equal], is_exact=True)
    if num_equal < num_lines:
        yield Failure(name, f"{num_equal} of {num_lines} lines read as on the CPU")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--model", type=Path, help="an ONNX file; the model that comes along by default")
    add("--plan", type=Path, help="a TensorRT plan of it, its sidecar beside it")
    add("--images", nargs="+", default=["images"], help="line images; default: images/")
    add("--passes", type=int, default=5, metavar="N", help="timed, after a first; default: 5")
    add("--device", type=int, default=0, metavar="N", help="number of the GPU")
    add("--keep-search", action="store_true", help="keep the fastest way to find convolutions")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
