"""Trains what a PaddleOCR-format config describes.

    python -m training.train -c configs/….yml [-o Global.epoch_num=2 …]
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import CheckpointError, OcrError

if TYPE_CHECKING:
    from training.config import Config
    from training.loop import Position, Trainer

log = logging.getLogger(__name__)


def train(config: Config) -> dict[str, Any]:
    """Train a config to its last epoch, resuming from `Global.checkpoints` if that is set.

    Args:
        config: as `load_config` gives it.

    Returns:
        Figures of the last and of the best evaluation.

    Raises:
        OcrError: with every reason this project knows.
    """
    from training.curves import draw_curves
    from training.loop import Position, Trainer
    from training.run import build_run

    run = build_run(config)
    train_part, eval_part = run.data("Train"), run.data("Eval")
    trainer = Trainer(run, train_part, eval_part, Position())
    if run.settings.checkpoints:
        resume(trainer, run.settings.checkpoints)
    last = trainer.fit()
    draw_curves(trainer.folder)
    return {"last": last.figures, "best": trainer.position.best, "lines": last.num_lines}


def resume(trainer: Trainer, checkpoint: str) -> Position:
    """Put weights, optimizer and position of a checkpoint into a trainer.

    Raises:
        CheckpointError: if a file is missing or does not fit.
    """
    from training.checkpoint import (
        load_into,
        parameters_path,
        read_optimizer_state,
        read_parameters,
        read_states,
        recover,
    )

    prefix = Path(checkpoint.removesuffix(".pdparams"))
    if not prefix.is_dir():
        recover(prefix)
    prefix = parameters_path(prefix).with_suffix("")
    recover(prefix)
    load_into(trainer.run.model, read_parameters(prefix), f"checkpoint {prefix}")
    states = read_states(prefix)
    state = read_optimizer_state(prefix)
    missing = set(trainer.optimizer.state_dict()) - set(state)
    if missing - {"LR_Scheduler"} and trainer.optimizer.state_dict():
        raise CheckpointError(
            f"{prefix}.pdopt does not fit this optimizer: expected {len(missing)} more entries, "
            f"for example {sorted(missing)[0]}; use the config it was saved with"
        )
    trainer.optimizer.set_state_dict(state)
    position = trainer.position
    position.epoch = int(states["epoch"])
    position.step_in_epoch = int(states.get("step_in_epoch", 0))
    position.global_step = int(
        states.get("global_step", position.epoch * trainer.steps_per_epoch)
    )
    position.best = dict(states.get("best_model_dict", {}))
    log.info("resumed from %s at step %d", prefix, position.global_step)
    return position


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    from training.config import add_config_arguments, load_config

    parser = argparse.ArgumentParser(
        prog="python -m training.train", description=(__doc__ or "").splitlines()[0]
    )
    add_config_arguments(parser)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        config = load_config(options.config, options.override)
        prepare_process(config)
        figures = train(config)
    except OcrError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; resume with -o Global.checkpoints=…/latest", file=sys.stderr)
        return 130
    print(table(figures["last"], figures["best"]))
    return 0


def prepare_process(config: Config) -> None:
    """Apply the process settings; has to come before paddle is imported."""
    from training.process_settings import apply_process_settings

    is_wanted = (config.sections.get("Global") or {}).get("fast_cpu", True) is not False
    log.info("%s", apply_process_settings(enabled=is_wanted))


def table(last: dict[str, float], best: dict[str, float]) -> str:
    """Last and best figure of every network, aligned."""
    width = max(map(len, last))
    rows = [f"{'':{width}}  {'last':>8}  {'best':>8}"]
    for name, value in last.items():
        rows.append(f"{name:{width}}  {value:8.4f}  {best.get(name, float('nan')):8.4f}")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
