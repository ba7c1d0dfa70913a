"""Time a TensorRT engine, in trtexec's words and layout.

python -m benchmarks.trt --loadEngine=student.plan [--shapes=x:16x3x32x320] [--useCudaGraph]

Exit status: 0 measured, 2 nothing could be measured, for the reason given in one line.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from benchmarks.trt.measure import Settings, measure
from benchmarks.trt.report import export_times, report_lines
from runtime.engines.tensorrt.engine import TensorRtEngine
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
    add("--shapes", metavar="x:NxCxHxW", help="the first profile's optimum by default")
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
    engine = TensorRtEngine(options.loadEngine, device_id=options.device)
    sidecar, gpu = engine.sidecar, engine.gpu
    batch, width_px = _shape(options.shapes, engine)
    settings = Settings(
        batch=batch,
        width_px=width_px,
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
    yield f"Library: {engine.library.name} {engine.library.version}, {engine.cuda.name}"
    yield f"Precision: {sidecar.precision.get('achieved', 'unknown')}"
    yield ""
    yield "=== Inference Options ==="
    shape = [batch, engine.spec.channels, engine.spec.height, width_px]
    yield f"Input inference shape : {engine.spec.input_name}={'x'.join(map(str, shape))}"
    yield f"Streams: {settings.streams}"
    yield f"Data transfers: {'Enabled' if settings.transfers else 'Disabled'}"
    measurement, has_graphs = measure(engine, settings)
    if settings.use_graphs and not has_graphs:
        yield "* The CUDA graph capture was refused; the figures are of plain runs."
    yield f"CUDA Graph: {'Enabled' if has_graphs else 'Disabled'}"
    yield (
        "Conventions: Latency = H2D + GPU Compute + D2H; page-locked memory; uint8 lines go up, "
        "classes and confidences come down; one query at a time in each stream. Without options "
        "these are the settings of trtexec 10; trtexec 11 uses CUDA graphs and leaves transfers "
        "out (--useCudaGraph --noDataTransfers here)."
    )
    yield ""
    yield from report_lines(measurement, options.percentile, options.avgRuns, batch)
    if options.exportTimes is not None:
        export_times(measurement.queries, options.exportTimes)
        yield f"Times written to {options.exportTimes}"


def _shape(text: str | None, engine: TensorRtEngine) -> tuple[int, int]:
    """N and W of `--shapes`, or of the first profile's optimum."""
    spec = engine.spec
    if text is None:
        optimum = engine.sidecar.profiles[0].opt
        return optimum[0], optimum[3]
    wanted = f"{spec.input_name}:Nx{spec.channels}x{spec.height}xW"
    found = re.fullmatch(r"([^:]+):(\d+)x(\d+)x(\d+)x(\d+)", text.strip("'\""))
    if found is None:
        raise ArtifactError(f"--shapes: expected {wanted}, got {text!r}")
    name, sizes = found[1], [int(size) for size in found.groups()[1:]]
    if name != spec.input_name or sizes[1:3] != [spec.channels, spec.height] or sizes[0] < 1:
        raise ArtifactError(f"--shapes: expected {wanted}, got {text!r}")
    return sizes[0], sizes[3]


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
    percents = tuple(float(one) for one in text.split(","))
    if not all(0 <= one <= 100 for one in percents):
        raise argparse.ArgumentTypeError(f"expected numbers from 0 to 100, got {text}")
    return percents


if __name__ == "__main__":
    sys.exit(main())
