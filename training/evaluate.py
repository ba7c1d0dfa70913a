"""Evaluates a checkpoint on the `Eval` section of its config.

    python -m training.evaluate -c configs/….yml -o Global.checkpoints=output/best_accuracy

The last line printed is one JSON object with every figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.files import write_atomically
from training.command import DONE, run_command
from training.output_folder import refuse_unwritable_file

if TYPE_CHECKING:
    from training.config import Config


def evaluate_checkpoint(config: Config) -> dict[str, Any]:
    """Read every image of `Eval` with every network of a checkpoint.

    Args:
        config: names the checkpoint under `Global.checkpoints` or `Global.pretrained_model`;
            the files of its `Train` section need not exist.

    Returns:
        `networks` (name -> figures), `images`, `failures`, and what was evaluated.

    Raises:
        OcrError: if the config, the checkpoint or the data cannot be used.
    """
    from training.checkpoint.parameters import arrays_of, parameters_sha256
    from training.data.loader import Loader
    from training.loop.evaluation import evaluate
    from training.run import build_trained_run

    run, checkpoint = build_trained_run(config, ("Eval",))
    part = run.data("Eval")
    start = time.perf_counter()
    with Loader(part.dataset, part.num_workers) as loader:
        outcome = evaluate(run, part, loader)
    seconds = time.perf_counter() - start
    return {
        "networks": run.metric.by_network(outcome.figures),
        "images": outcome.num_samples,
        "dropped": part.report.as_json()["dropped"],
        "failures": [str(failure) for failure in outcome.failures],
        "seconds": round(seconds, 3),
        "checkpoint": str(checkpoint),
        "weights_sha256": parameters_sha256(arrays_of(run.model)),
        "config_sha256": config.sha256,
    }


def table(result: Mapping[str, Any]) -> str:
    """Return the figures of every network, aligned."""
    networks = result["networks"]
    first = max(map(len, (*networks, "network")))
    names = list(next(iter(networks.values())))
    widths = [max(len(name), 7) for name in names]
    heads = [f"{name:>{width}}" for name, width in zip(names, widths, strict=True)]
    rows = ["  ".join([f"{'network':{first}}", *heads, f"{'images':>7}", f"{'failures':>8}"])]
    for network, figures in networks.items():
        cells = [f"{figures[name]:{width}.4f}" for name, width in zip(names, widths, strict=True)]
        counts = [f"{result['images']:7}", f"{len(result['failures']):8}"]
        rows.append("  ".join([f"{network:{first}}", *cells, *counts]))
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command("evaluate", __doc__, _evaluate, arguments, _add_arguments)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures as JSON")


def _evaluate(config: Config, options: argparse.Namespace) -> int:
    if options.output is not None:
        refuse_unwritable_file(options.output, "--output")
    result = evaluate_checkpoint(config)
    text = json.dumps(result, ensure_ascii=False)
    print(table(result))
    if options.output is not None:
        write_atomically(options.output, f"{text}\n".encode())
    print(text)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
