"""Time a TensorRT engine, in trtexec's words and layout.

python -m benchmarks.trt --loadEngine=student.plan [--shapes=pixels:16x32x320x3] [--useCudaGraph]

Exit status: 0 measured, 2 nothing could be measured, for the reason given in one line.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from benchmarks.trt.measure import Settings, measure
from benchmarks.trt.report import export_times, report_lines
from runtime.engines.tensorrt.plan import TensorRtPlan
from runtime.engines.tensors import Sizes
from runtime.errors import ArtifactError, OcrError

_PERCENTS = (90.0, 95.0, 99.0)


def options_parser() -> argparse.ArgumentParser:
    """The command's options, named as trtexec names them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trt",
        description=(__doc__ or "").split("\n")[0],
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--loadEngine", type=Path, required=True, metavar="PLAN", help="its sidecar beside it")
    add(
        "--shapes",
        metavar="NAME:NxHxWxC",
        help="e.g. pixels:16x32x320x3; the first profile's optimum by default",
    )
    add("--warmUp", type=_amount, default=200.0, metavar="MS", help="default: %(default)g")
    add("--duration", type=_amount, default=3.0, metavar="S", help="default: %(default)g")
    add("--iterations", type=_count, default=10, metavar="N", help="at least; default: %(default)s")
    add("--avgRuns", type=int, default=10, metavar="N", help="0: no trace; default: %(default)s")
    add("--percentile", type=_percents, default=_PERCENTS, metavar="P,P", help="default: 90,95,99")
    add("--useCudaGraph", action="store_true", help="replay a CUDA graph where one can be captured")
    add("--noDataTransfers", action="store_true", help="leave the copies out")
    add("--infStreams", type=_count, default=1, metavar="N", help="default: %(default)s")
    add("--exportTimes", type=Path, metavar="FILE", help="every query as JSON")
    add("--device", type=int, default=0, metavar="N", help="number of the GPU")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = options_parser().parse_args(arguments)
    try:
        for line in _lines(options):
            stamp = datetime.now().strftime("%m/%d/%Y-%H:%M:%S")
            print(f"[{stamp}] [{'W' if line.startswith('* ') else 'I'}] {line}", flush=True)
    except OcrError as error:
        print(f"benchmarks.trt: {error}", file=sys.stderr)
        return 2
    return 0


def _lines(options: argparse.Namespace) -> Iterator[str]:
    with closing(TensorRtPlan(options.loadEngine, device_id=options.device)) as plan:
        yield from _report(options, plan)


def _report(options: argparse.Namespace, plan: TensorRtPlan) -> Iterator[str]:
    gpu = plan.gpu
    shapes = _shapes(options.shapes, plan)
    batch = next(iter(shapes.values()))[0]
    settings = Settings(
        shapes=shapes,
        warm_up_ms=options.warmUp,
        duration_s=options.duration,
        iterations=options.iterations,
        use_graphs=options.useCudaGraph,
        transfers=not options.noDataTransfers,
        streams=options.infStreams,
    )
    yield "=== Device Information ==="
    yield f"Selected Device: {gpu.name}"
    yield f"Selected Device ID: {gpu.device_id}"
    yield f"Compute Capability: {gpu.compute_capability}"
    yield f"CUDA of the driver: {gpu.driver_version}"
    yield f"Library: {plan.library.name} {plan.library.version}, {plan.cuda.name}"
    yield f"Precision: {plan.sidecar.achieved}"
    yield ""
    yield "=== Inference Options ==="
    for name, sizes in shapes.items():
        yield f"Input inference shape : {name}={'x'.join(map(str, sizes))}"
    yield f"Streams: {settings.streams}"
    yield f"Data transfers: {'Enabled' if settings.transfers else 'Disabled'}"
    measurement, has_graphs = measure(plan, settings)
    if settings.use_graphs and not has_graphs:
        yield "* The CUDA graph capture was refused; the figures are of plain runs."
    yield f"CUDA Graph: {'Enabled' if has_graphs else 'Disabled'}"
    yield (
        "Conventions: Latency = H2D + GPU Compute + D2H; page-locked memory; uint8 lines go up, "
        "classes and confidences come down; one query at a time in each stream, so that GPU "
        "Compute holds what Python takes to launch. Without options these are the settings of "
        "trtexec 10; trtexec 11 uses CUDA graphs and leaves transfers out (--useCudaGraph "
        "--noDataTransfers here)."
    )
    yield ""
    yield from report_lines(measurement, options.percentile, options.avgRuns, batch)
    if options.exportTimes is not None:
        export_times(measurement.queries, options.exportTimes)
        yield f"Times written to {options.exportTimes}"


def _shapes(text: str | None, plan: TensorRtPlan) -> dict[str, Sizes]:
    """Return the shapes of `--shapes`, `NAME:NxHxWxC,NAME:N`; those tuned for without it.

    An input that is not named and has one dimension gets N of the others.
    """
    inputs = {binding.name: binding.shape for binding in plan.sidecar.of_mode("input")}
    if text is None:
        return {name: shapes.opt for name, shapes in plan.sidecar.profiles[0].items()}
    wanted = ",".join(
        f"{name}:{'x'.join('N' if size < 0 else str(size) for size in sizes)}"
        for name, sizes in inputs.items()
    )
    shapes: dict[str, Sizes] = {}
    for part in text.strip("'\"").split(","):
        found = re.fullmatch(r"([^:]+):([0-9]{1,9}(?:x[0-9]{1,9})*)", part)
        if found is None or found[1] not in inputs:
            raise ArtifactError(f"--shapes: expected {wanted}, got {text!r}")
        shapes[found[1]] = tuple(int(size) for size in found[2].split("x"))
    batch = next(iter(shapes.values()))[0]
    for name, sizes in inputs.items():
        if name not in shapes and len(sizes) > 1:
            raise ArtifactError(f"--shapes: expected {wanted}, got {text!r}")
    return {name: shapes.get(name, (batch,)) for name in inputs}


def _amount(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text}")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return number


def _percents(text: str) -> tuple[float, ...]:
    percents = tuple(float(percent) for percent in text.split(","))
    if not all(0 <= percent <= 100 for percent in percents):
        raise argparse.ArgumentTypeError(f"expected numbers from 0 to 100, got {text}")
    return percents


if __name__ == "__main__":
    sys.exit(main())
