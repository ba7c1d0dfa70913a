"""What to do with a run that has ended or was stopped: where its files are, whole command lines."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from runtime.files import short_name
from training.checkpoint.parameters import PARAMETERS
from training.config import Config
from training.loop.worst import WORST_FILE

LATEST, BEST = "latest", "best_accuracy"
_OF_TRAINING = ("Train.", "Optimizer.", "Loss.", "Global.epoch_num", "Global.eval_batch_step")
_OF_START = ("Global.checkpoints", "Global.pretrained_model", "Global.save_model_dir")
_PRETRAINED = (".pretrained", ".pretrained_dictionary")
_OF_EVALUATION = ("Eval.dataset.data_dir", "Eval.dataset.label_file_list", "Eval.loader.")


def next_steps(
    config: Config, folder: Path, network: str, epochs: int, start: str | None = None
) -> list[str]:
    """Return lines that say where a run's files are, and commands to go on with.

    Args:
        config: of the run, with the overrides that it was given.
        folder: of the run.
        network: whose figures chose the best, empty for one by itself.
        epochs: of the run.
        start: weights that the network began from, if they were given.
    """
    best, latest = folder / BEST, folder / LATEST
    named = f" --network {shlex.quote(network)}" if network else ""
    reading = _kept(config, (*_OF_TRAINING, *_OF_START), _PRETRAINED)
    exporting = [text for text in reading if not text.startswith(_OF_EVALUATION)]
    evaluate = command(config, "training.evaluate", reading, **{"Global.checkpoints": best})
    export = command(config, "export", exporting)
    exported = f"--checkpoint {_quoted(best)}{named} --output-dir {_quoted(folder / 'export')}"
    resume = resuming(config, latest, epochs=2 * epochs)
    blend = command(config, "training.blend", reading)
    blended = f"--start {_quoted(start or '')} --trained {_quoted(best)}"
    mixing = f"  mix with the start: {blend} {blended} --output {_quoted(folder / 'blended')}"
    worst = f", {WORST_FILE}" if (folder / WORST_FILE).is_file() else ""
    return [
        f"in {folder}: {BEST}{PARAMETERS}, {LATEST}{PARAMETERS}, metrics.jsonl, curves.png{worst}",
        f"  evaluate: {evaluate}",
        f"  export:   {export} {exported}",
        f"  go on:    {resume}",
        *([mixing] if start else []),
    ]


def resuming(config: Config, latest: Path, epochs: int | None = None) -> str:
    """Return the command that goes on from a checkpoint, for so many epochs in all if given."""
    own = ("Global.checkpoints", *(() if epochs is None else ("Global.epoch_num",)))
    more = {"Global.checkpoints": latest}
    if epochs is not None:
        more["Global.epoch_num"] = Path(str(epochs))
    return command(config, "training.train", _kept(config, own), **more)


def starting(config: Config, checkpoint: Path, network: str) -> str:
    """Return the command that trains with the weights of one network, empty for the only one."""
    key = f"Architecture.Models.{network}.pretrained" if network else "Global.pretrained_model"
    kept = _kept(config, (f"{key}=", "Global.checkpoints"))
    return command(config, "training.train", kept, **{key: checkpoint})


def command(config: Config, module: str, overrides: Iterable[str], **more: Path) -> str:
    """Return `python -m MODULE -c CONFIG -o …`, quoted for a shell."""
    text = f"python -m {module} -c {_quoted(short_name(Path(config.path or 'CONFIG.yml')))}"
    added = [f"{key}={value}" for key, value in more.items()]
    values = [shlex.quote(override) for override in [*overrides, *added]]
    return f"{text} -o {' '.join(values)}" if values else text


def stopped(config: Config) -> str:
    """Say how to go on with a run that was stopped; whole commands where something was saved."""
    if config.path is None:
        return "stopped"
    settings = config.sections.get("Global")
    folder = settings.get("save_model_dir") if isinstance(settings, Mapping) else None
    latest = Path(str(folder or "output")) / LATEST
    if not latest.with_name(f"{LATEST}{PARAMETERS}").is_file():
        return "stopped before anything was saved: start again"
    return f"stopped; what was saved is whole: resume with\n  {resuming(config, latest)}"


def _kept(config: Config, starts: tuple[str, ...], ends: tuple[str, ...] = ()) -> list[str]:
    """Return the overrides of a config but for those of these keys."""
    return [
        text
        for text in config.overrides
        if not text.startswith(starts) and not text.partition("=")[0].endswith(ends)
    ]


def _quoted(path: Path | str) -> str:
    return shlex.quote(str(path))
