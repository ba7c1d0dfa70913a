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

from training.command import DONE, run_command
from training.files import write_atomically
from training.output_folder import refuse_unwritable_file

if TYPE_CHECKING:
    from training.config import Config
    from training.run import Run

_FIGURES = ("acc", "norm_edit_dis")


def evaluate_checkpoint(config: Config) -> dict[str, Any]:
    """Read every line of `Eval` with every network of a checkpoint.

    Args:
        config: names the checkpoint under `Global.checkpoints` or `Global.pretrained_model`;
            the files of its `Train` section need not exist.

    Returns:
        `networks` (name -> figures), `lines`, `failures`, and what was evaluated.

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
        "networks": figures_by_network(run, outcome.figures),
        "lines": outcome.num_lines,
        "dropped": part.report.as_json()["dropped"],
        "failures": [str(failure) for failure in outcome.failures],
        "seconds": round(seconds, 3),
        "checkpoint": str(checkpoint),
        "weights_sha256": parameters_sha256(arrays_of(run.model)),
        "config_sha256": config.sha256,
    }


def figures_by_network(run: Run, figures: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Take the prefixes off: `Teacher_acc` becomes `acc` of `Teacher`.

    Args:
        run: whose metric gave the figures.
        figures: the main network's carry no prefix.

    Returns:
        {network: {figure: value}}; one network alone is called `network`.
    """
    from training.recognition.decode import DistillationCTCLabelDecode
    from training.recognition.metrics import DistillationMetric

    metric, post_process = run.metric, run.post_process
    if not isinstance(metric, DistillationMetric):
        return {"network": {name: figures[name] for name in _FIGURES}}
    assert isinstance(post_process, DistillationCTCLabelDecode)
    prefixes = {name: "" if name == metric.key else f"{name}_" for name in post_process.model_name}
    return {
        name: {figure: figures[prefix + figure] for figure in _FIGURES}
        for name, prefix in prefixes.items()
    }


def table(result: Mapping[str, Any]) -> str:
    """Accuracy of every network, aligned."""
    networks = result["networks"]
    width = max(map(len, (*networks, "network")))
    rows = [
        f"{'network':{width}}  {'acc':>7}  {'norm_edit_dis':>13}  {'lines':>7}  {'failures':>8}"
    ]
    for name, figures in networks.items():
        rows.append(
            f"{name:{width}}  {figures['acc']:7.4f}  {figures['norm_edit_dis']:13.4f}  "
            f"{result['lines']:7}  {len(result['failures']):8}"
        )
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
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
