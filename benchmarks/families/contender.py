"""One recogniser in a process of its own: lines a second and peak memory, as one JSON line.

python -m benchmarks.families.contender MODEL --width 320 --lines 20
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring.comparison import EACH
from benchmarks.measuring.memory import peak_memory_mib
from runtime.engines import open_engine

_WARM_UP = 3


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--lines", type=int, required=True)
    options = parser.parse_args()
    engine = open_engine(options.model, "cpu", threads=1)
    shape = (1, 3, options.height, options.width)
    line = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    rates = []
    for number in range(_WARM_UP + options.lines):
        begin = time.perf_counter()
        engine.run({engine.inputs[0].name: line})
        if number >= _WARM_UP:
            rates.append(1 / (time.perf_counter() - begin))
    engine.close()
    size_mb = options.model.stat().st_size / 1e6
    print(json.dumps({EACH: rates, "peak_mib": peak_memory_mib(), "file_mb": size_mb}))


if __name__ == "__main__":
    main()
