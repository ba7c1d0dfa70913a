"""Evaluates a checkpoint on the `Eval` section of its config.

python -m training.evaluate -c configs/….yml -o Global.checkpoints=output/best_accuracy
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigError
from runtime.files import write_atomically
from runtime.program import add_json, show
from runtime.standard_streams import say
from training.command import DONE, run_command
from training.output_folder import refuse_unwritable_file

if TYPE_CHECKING:
    from training.config import Config


def evaluate_checkpoint(config: Config, html: Path | None = None) -> dict[str, Any]:
    """Evaluate every image of `Eval` with every network of a checkpoint.

    Args:
        config: names the checkpoint under `Global.checkpoints` or `Global.pretrained_model`;
            the files of its `Train` section need not exist.
        html: page to write, of the figures and of what the main network made of the worst samples.

    Returns:
        `networks` (name -> figures), `images`, `failures`, and what was evaluated.

    Raises:
        OcrError: if the config, the checkpoint or the data cannot be used.
    """
    result, write = _evaluated(config, has_page=html is not None)
    if html is not None:
        write(html)
    return result


def _evaluated(config: Config, has_page: bool) -> tuple[dict[str, Any], Callable[[Path], None]]:
    """Evaluate; return the figures, and what writes the page, if there is to be one."""
    from training.checkpoint.parameters import arrays_of, parameters_sha256
    from training.data.loader import Loader
    from training.loop.evaluation import evaluate
    from training.loop.page_file import write_page
    from training.run import build_trained_run

    run, checkpoint = build_trained_run(config, ("Eval",))
    page = run.task.page(run)
    part = run.data("Eval")
    start = time.perf_counter()
    with Loader(part.dataset, part.num_workers) as loader:
        outcome = evaluate(run, part, loader, *([page.take] if has_page else []))
    seconds = time.perf_counter() - start

    def write(html: Path) -> None:
        write_page(html, page, run, part, outcome, {"checkpoint": str(checkpoint)})

    result = {
        "networks": run.metric.by_network(outcome.figures),
        "images": outcome.num_samples,
        "dropped": part.report.as_json()["dropped"],
        "failures": [str(failure) for failure in outcome.failures],
        "seconds": round(seconds, 3),
        "checkpoint": str(checkpoint),
        "weights_sha256": parameters_sha256(arrays_of(run.model)),
        "config_sha256": config.sha256,
    }
    return result, write


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
    add_json(parser)
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page: of the lines that are misread, and which characters are taken for "
        "which; of the pages on which texts are missed, and why",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures as JSON")


def _evaluate(config: Config, options: argparse.Namespace) -> int:
    if options.output is not None:
        refuse_unwritable_file(options.output, "--output")
    if options.html is not None:
        refuse_unwritable_file(options.html, "--html")
        if options.output is not None and options.html.resolve() == options.output.resolve():
            raise ConfigError(
                f"--html and --output: expected two files, got {options.html} twice; rename one"
            )
    result, write = _evaluated(config, has_page=options.html is not None)
    text = json.dumps(result, ensure_ascii=False)
    if options.output is not None:
        write_atomically(options.output, f"{text}\n".encode())
    show(options, table(result), result)
    if options.html is not None:
        write(options.html)
        say(f"written: {options.html}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
