"""What fine-tuning on few lines of a pack gains on other lines of it.

    python -m benchmarks.fine_tuning --packs PACKS/*/ --lines 100 --config configs/fine_tune.yml

Each pack is a folder with `train.tsv` and `val.tsv`. Lines are drawn from the first and read in the
second, before the first step and after the last. Exit status: 0 measured, 2 not.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.command import command_parser, require_files, run_command
from benchmarks.measuring.comparison import aligned
from benchmarks.measuring.result import Measure, Result, measure, named_file, surroundings
from runtime.errors import OcrError
from runtime.recognition.labels import read_labels
from training.command import prepare_process
from training.config import Config, load_config

HEADS = ("pack", "lines", "epochs", "steps", "before", "after", "best", "gain", "minutes")


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.fine_tuning", __doc__)
    add = parser.add_argument
    add("--packs", type=Path, nargs="+", required=True, help="folders with train.tsv and val.tsv")
    add("--lines", type=int, nargs="+", default=[100], help="to train on; default: 100")
    add("--val", type=int, default=100, help="lines to read; default: %(default)s")
    add("--seed", type=int, default=1, help="of the lines that are drawn")
    add("-c", "--config", type=Path, default=Path("configs/fine_tune.yml"))
    add("-o", "--override", nargs="+", action="extend", default=[], metavar="Section.key=value")
    add("--output", type=Path, metavar="FILE", help="everything as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    logging.basicConfig(level=logging.WARNING)
    return run_command(options_parser(), measured, arguments)


def measured(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Fine-tune on every pack, print the table, and return everything.

    Raises:
        OcrError: if a pack has too few lines, or a training fails.
    """
    require_files(*(pack / name for pack in options.packs for name in ("train.tsv", "val.tsv")))
    around = surroundings()
    prepare_process(Config(None, {}))
    rows = [list(HEADS)]
    measures: list[Measure] = []
    details: dict[str, Any] = {}
    for pack in options.packs:
        for count in options.lines:
            name = f"{pack.resolve().name} / {count}"
            found = details[name] = fine_tuned(pack, count, options)
            rows.append(row_of(pack.resolve().name, count, found))
            print("\t".join(rows[-1]), file=sys.stderr, flush=True)
            for when in ("before", "after", "best"):
                figure = f"{name} / {when}"
                measures.append(measure(figure, "share", "higher", [found[when]]))
    print("\n".join(aligned(rows)))
    return Result(
        benchmark="fine_tuning",
        title="What fine-tuning on few lines gains",
        command=("python", "-m", "benchmarks.fine_tuning", *command),
        inputs={
            f"{pack.resolve().name}/{name}": named_file(pack / name)
            for pack in options.packs
            for name in ("train.tsv", "val.tsv")
        },
        settings={
            "lines": options.lines,
            "val": options.val,
            "seed": options.seed,
            "config": options.config.name,
            "overrides": options.override,
        },
        measures=tuple(measures),
        details=details,
        **around,
    )


def row_of(pack: str, count: int, found: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    shares = [f"{found[when]:.1%}" for when in ("before", "after", "best")]
    gain = f"{100 * (found['best'] - found['before']):+.1f}"
    minutes = f"{found['seconds'] / 60:.1f}"
    return [pack, str(count), str(found["epochs"]), str(found["steps"]), *shares, gain, minutes]


def fine_tuned(pack: Path, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train on some lines of a pack, and return what was read before and after.

    Raises:
        OcrError: if the pack has too few lines, or the training fails.
    """
    from training.plan import read_plan
    from training.train import train

    with tempfile.TemporaryDirectory(prefix="fine_tuning_") as folder:
        train_file, val_file = Path(folder) / "train.tsv", Path(folder) / "val.tsv"
        draw(pack / "train.tsv", train_file, count, options.seed)
        draw(pack / "val.tsv", val_file, options.val, options.seed)
        overrides = [
            f"Global.save_model_dir={json.dumps(str(Path(folder) / 'out'))}",
            *(
                f"{section}.dataset.{key}={json.dumps(value)}"
                for section, file in (("Train", train_file), ("Eval", val_file))
                for key, value in (
                    ("data_dir", str(pack.resolve())),
                    ("label_file_list", [str(file)]),
                )
            ),
            *options.override,
        ]
        config = load_config(options.config, overrides)
        epochs = read_plan(config).settings.epoch_num
        started = time.perf_counter()
        figures = train(config)
        return {
            "before": figures["start"]["acc"],
            "after": figures["last"]["acc"],
            "best": figures["best"]["acc"],
            "epochs": epochs,
            "steps": figures["steps"],
            "seconds": time.perf_counter() - started,
        }


def draw(source: Path, target: Path, count: int, seed: int) -> None:
    """Write `count` lines of a label file, drawn without repetition, in its order.

    Raises:
        OcrError: if it has fewer.
    """
    rows = read_labels(source).rows
    if len(rows) < count:
        raise OcrError(f"{source}: expected at least {count} lines, got {len(rows)}; ask for fewer")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])
    text = "".join(f"{rows[place].names[0]}\t{rows[place].text}\n" for place in chosen.tolist())
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
