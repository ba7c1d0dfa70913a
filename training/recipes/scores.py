"""Scores a checkpoint as it will be deployed: exact matches, one row for each label file.

    python -m training.recipes.scores -c configs/latin/pair.yml --checkpoint output/latin/7_pair \\
        PACKS/*/val.tsv output/latin/data/clean/val.tsv

Case and spaces count. Paths in a label file are relative to its folder.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.files import write_atomically
from runtime.signals import exit_status
from runtime.standard_streams import log_to_stderr, open_standard_streams
from training.command import LOGGERS, prepare_process
from training.config import load_config


def score(config_path: Path, checkpoint: str, label_file: Path, overrides: Sequence[str]) -> Any:
    """Evaluate every network on one label file; return what `evaluate_checkpoint` does."""
    config = load_config(
        config_path,
        [
            *overrides,
            f"Global.checkpoints={json.dumps(checkpoint)}",
            f"Eval.dataset.data_dir={json.dumps(str(label_file.parent))}",
            f"Eval.dataset.label_file_list={json.dumps([str(label_file)])}",
        ],
    )
    prepare_process(config)
    from training.evaluate import evaluate_checkpoint

    return evaluate_checkpoint(config)


def table(results: dict[str, Any]) -> str:
    """Return a row for each label file, a column for each network."""
    width = max(map(len, results))
    networks = list(next(iter(results.values()))["networks"])
    rows = [f"{'':{width}}  lines  " + "  ".join(f"{name:>16}" for name in networks)]
    for name, result in results.items():
        cells = [
            f"{figures['acc']:7.2%} ({figures['norm_edit_dis']:.3f})"
            for figures in result["networks"].values()
        ]
        columns = "  ".join(f"{cell:>16}" for cell in cells)
        rows.append(f"{name:{width}}  {result['images']:5}  {columns}")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    parser = argparse.ArgumentParser(
        prog="python -m training.recipes.scores", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("-c", "--config", type=Path, required=True, help="YAML file of the networks")
    add("--checkpoint", required=True, help="file, prefix or folder")
    add("-o", "--override", action="append", default=[], metavar="Section.key=value")
    add("--output", type=Path, metavar="FILE", help="write the figures as JSON")
    add("labels", type=Path, nargs="+", metavar="LABEL_FILE")
    options = parser.parse_args(arguments)
    log_to_stderr(logging.WARNING)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    return exit_status("scores", lambda: _score_all(options))


def _score_all(options: argparse.Namespace) -> int:
    results = {
        file.resolve().parent.name: score(
            options.config, options.checkpoint, file, options.override
        )
        for file in options.labels
    }
    print(table(results))
    if options.output is not None:
        write_atomically(options.output, f"{json.dumps(results, ensure_ascii=False)}\n".encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
