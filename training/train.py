"""Trains what a PaddleOCR-format config describes.

python -m training.train -c configs/….yml [-o Global.epoch_num=2 …]
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.program import add_json, show
from training.command import LOGGERS, run_command

if TYPE_CHECKING:
    from training.config import Config

log = logging.getLogger(__name__)


def train(config: Config) -> dict[str, Any]:
    """Train a config to its last epoch, resuming from `Global.checkpoints` if that is set.

    Args:
        config: as `load_config` gives it.

    Returns:
        Figures of the first (none of a run that began at random), the last and the best evaluation,
        samples evaluated, steps and epochs, the folder, the network that chose the best and what
        it began from.

    Raises:
        OcrError: whatever the reason; a folder that cannot be written to, or that another run
            uses, is found before the data are read.
    """
    from training.loop.curves import draw_curves
    from training.loop.parallel import join_group
    from training.loop.position import Position
    from training.loop.resume import resume
    from training.loop.trainer import Trainer
    from training.loop.worst import WORST_FILE
    from training.output_folder import run_folder
    from training.plan import read_plan
    from training.run import run_of

    group = join_group()
    if not group.is_main:
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
    plan = read_plan(config)
    # The main process alone writes, and locks the folder for the whole group.
    folder = Path(plan.settings.save_model_dir)
    with run_folder(config, folder) if group.is_main else nullcontext():
        run = run_of(plan)
        train_part, eval_part = run.data("Train"), run.data("Eval")
        trainer = Trainer(run, train_part, eval_part, Position(), group)
        if run.settings.checkpoints:
            resume(trainer, run.settings.checkpoints)
        last = trainer.fit()
        if group.is_main:
            draw_curves(trainer.folder, run.main_name)
            try:
                trainer.worst_samples.write(trainer.folder, eval_part)
            except OSError as error:  # the weights are saved: nothing that was learned is lost
                log.warning("%s was not written: %s", WORST_FILE, error)
    position, main = trainer.position, run.main_name
    return {
        "start": position.start,
        "last": last.figures,
        "best": position.best,
        "images": last.num_samples,
        "steps": position.global_step,
        "epochs": run.settings.epoch_num,
        "folder": str(folder),
        "network": main,
        "pretrained": run.settings.pretrained_model or plan.model.networks[main].pretrained,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(
        "train", __doc__, _train, arguments, add_json, _stopped, lasting=("stdout", "stderr")
    )


def _stopped(config: Config) -> str:
    from training.loop.ending import stopped

    return stopped(config)


def _train(config: Config, options: argparse.Namespace) -> int:
    from training.loop.ending import next_steps

    figures = train(config)
    folder, network = Path(figures["folder"]), figures["network"]
    steps = next_steps(config, folder, network, figures["epochs"], figures["pretrained"])
    text = [table(figures["start"], figures["last"], figures["best"]), *steps]
    show(options, "\n".join(text), figures)
    return 0


def table(start: dict[str, float], last: dict[str, float], best: dict[str, float]) -> str:
    """Return the figures of every network, aligned: before the first step, if read, last, best."""
    width = max(map(len, last))
    columns = {**({"before": start} if start else {}), "last": last, "best": best}
    rows = [f"{'':{width}}" + "".join(f"  {name:>8}" for name in columns)]
    for name in last:
        figures = (column.get(name, float("nan")) for column in columns.values())
        rows.append(f"{name:{width}}" + "".join(f"  {figure:8.4f}" for figure in figures))
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
