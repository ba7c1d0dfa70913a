"""One engine in a process of its own: opens it cold, runs every shape, ends in one JSON line.

python -m benchmarks.latency.contender cpu-fp32 --model FILE --batches 1 4 --widths 64 320
"""

from __future__ import annotations

import time

_STARTED_S = time.perf_counter()

import argparse  # noqa: E402
import json  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

PERCENTS = (50.0, 90.0, 95.0, 99.0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("name")
    add("--model", type=Path, required=True)
    add("--batches", type=int, nargs="+", required=True)
    add("--widths", type=int, nargs="+", required=True)
    add("--warm-up", type=float, required=True)
    add("--seconds", type=float, required=True)
    add("--threads", type=int, required=True)
    options = parser.parse_args(arguments)

    # What the runtime imports is part of a cold start, so nothing of it may be loaded before.
    from benchmarks.latency.cells import Engine, Limits, OnnxEngine, PlanEngine, stopwatch
    from benchmarks.trt.report import percentile

    cold_s = {"import": time.perf_counter() - _STARTED_S}
    kind = options.name.partition("-")[0]
    with stopwatch(cold_s, "open"):
        engine: Engine = (
            OnnxEngine(options.model, kind, options.threads)
            if kind in ("cpu", "cuda")
            else PlanEngine(options.model)
        )
    limits = Limits(options.warm_up, options.seconds)
    shapes = sorted((batch, width) for batch in options.batches for width in options.widths)
    cells = [engine.measure(batch, width, limits) for batch, width in shapes]
    cold_s["first line"] = cells[0].first_ms / 1000
    rows = []
    for cell in cells:
        row: dict[str, object] = {
            **{"batch": cell.batch, "width_px": cell.width_px, "first_ms": cell.first_ms},
            "runs": len(cell.end_to_end_ms),
        }
        for name, each in (("engine", cell.engine_ms), ("end_to_end", cell.end_to_end_ms)):
            ascending = sorted(each)
            row[name] = {f"p{percent:g}": percentile(ascending, percent) for percent in PERCENTS}
        rows.append(row)
    print(json.dumps({"description": engine.description, "cold_s": cold_s, "cells": rows}))


if __name__ == "__main__":
    main()
