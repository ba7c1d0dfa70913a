"""Trains the Latin-script recogniser of configs/latin from nothing, stage by stage.

    python -m training.recipes.latin --data PACKS --fonts FONTS --output output/latin

Stages that are done are skipped and the current one goes on where it was killed. To continue from
weights instead: `--start STAGE=FILE` begins with that stage. `--list` shows how far each one is.
The fonts are those of Debian's packages in configs/latin/fonts.txt, with tiny_stages.yml those of
configs/latin/fontsource.txt too; at most three faces a family.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.errors import ConfigError
from runtime.lock import OutputLock
from runtime.signals import exit_status
from runtime.standard_streams import lasting_streams, open_standard_streams
from training.checkpoint.parameters import network_parameters, read_parameters, write_parameters
from training.checkpoint.safe_pickle import load_pickle
from training.output_folder import translate_disk_errors
from training.recipes.latin_data import (
    find_packs,
    font_files,
    has_set,
    render_set,
    worded,
    words_from_labels,
    write_labels,
)
from training.recipes.stages import EVERY_PACK, Recipe, Stage, read_recipe
from training.train import main as train

STAGES = Path("configs/latin/stages.yml")
LATEST = "latest"
STUDENT = "Student"


class Runner:
    """Runs the stages of a recipe in a folder.

    Args:
        recipe: sets and stages.
        output: holds a folder for each stage, and the data in `data`.
        start: stage to begin with, and the weights it begins from.
        only: the stages to run; empty for all of them.
        sets: folder of the rendered sets and the joined labels; None for `output/data`.
    """

    def __init__(
        self,
        recipe: Recipe,
        output: Path,
        start: tuple[str, str] | None = None,
        only: Sequence[str] = (),
        sets: Path | None = None,
    ) -> None:
        self.recipe = recipe
        self.output = output
        self.sets = output / "data" if sets is None else sets
        names = [stage.name for stage in recipe.stages]
        first, self.start_weights = start or (names[0], "")
        for name in (first, *only):
            if name not in names:
                raise ConfigError(
                    f"no stage {name}: expected one of {', '.join(names)}, got {name}; "
                    "change --start or --only"
                )
        self.stages = [
            stage for stage in recipe.stages[names.index(first) :] if not only or stage.name in only
        ]

    def prepare(
        self, data: Path, fonts: Path | None, num_workers: int, word_lists: Path | None = None
    ) -> None:
        """Render the sets that are still missing, and join the packs' label files.

        Args:
            data: folder of packs.
            fonts: folder of fonts; None for those of this machine.
            num_workers: processes that render.
            word_lists: folder of `training.recipes.words`, for sets with a `wording`.

        Raises:
            DatasetError: if there are no packs or no fonts, or a set cannot be drawn.
        """
        packs = find_packs(data)
        for pack in packs:
            for name in ("train.tsv", "val.tsv"):
                write_labels(pack / name, self._labels(pack.name, name))
        self.packs = [pack.name for pack in packs]
        unknown = self._used_names() - {*self.packs, *self.recipe.sets, EVERY_PACK}
        if unknown:
            raise ConfigError(
                f"{self.recipe.path}: neither a set nor a pack: {', '.join(sorted(unknown))}; "
                f"expected {', '.join((*self.recipe.sets, *self.packs))}"
            )
        words = words_from_labels(packs)
        for name in sorted(self._used_names() & self.recipe.sets.keys()):
            folder, options = self.sets / name, self.recipe.sets[name]
            if has_set(folder):
                continue
            entries = words
            if "wording" in options:
                entries = worded(options, word_lists, words)
            files = font_files(fonts, every_style="looks" in options)
            folder.mkdir(parents=True, exist_ok=True)
            with OutputLock(folder):
                render_set(options, folder, self.recipe.dictionary, entries, files, num_workers)

    def run(self) -> int:
        """Train every stage that is not done; return the exit status of the last one."""
        for stage in self.stages:
            if self.epochs_done(stage) >= stage.epochs:
                print(f"{stage.name}: done", flush=True)
                continue
            print(f"{stage.name}: {self.folder(stage.name)}", flush=True)
            if not self._has_begun(stage):
                self._write_student_for(stage)
            status = train(["-c", str(stage.config), "-o", *self.overrides(stage)])
            if status:
                return status
        return 0

    def folder(self, stage: str) -> Path:
        """Return the folder that a stage writes to."""
        return self.output / stage

    def epochs_done(self, stage: Stage) -> int:
        """Return the epochs of a stage that are in its newest checkpoint."""
        states = self.folder(stage.name) / f"{LATEST}.states"
        return int(load_pickle(states)["epoch"]) if states.is_file() else 0

    def overrides(self, stage: Stage) -> list[str]:
        """Return what `training.train` takes after `-o` for a stage, as it stands on the disk."""
        train_shares = _split_shares(self._expand_packs(stage.train))
        values: dict[str, Any] = {
            "Global.save_model_dir": str(self.folder(stage.name)),
            "Train.dataset.label_file_list": [
                str(self._labels(name, "train.tsv")) for name, _ in train_shares
            ],
            "Train.dataset.ratio_list": [share for _, share in train_shares],
            "Eval.dataset.label_file_list": [
                str(self._labels(name, "val.tsv"))
                for name in self._expand_packs(dict.fromkeys(stage.evaluation, 1.0))
            ],
            **stage.options,
        }
        if self._has_begun(stage):
            values["Global.checkpoints"] = str(self.folder(stage.name) / LATEST)
        else:
            values |= self._first_weights(stage)
        return [f"{path}={json.dumps(value)}" for path, value in values.items()]

    def _has_begun(self, stage: Stage) -> bool:
        return any(self.folder(stage.name).glob(f"{LATEST}.pdparams*"))

    def _write_student_for(self, stage: Stage) -> None:
        is_first = stage is self.stages[0] and self.start_weights
        if isinstance(stage.source, str) and self._is_pair(stage.source) and not is_first:
            self.write_student(stage.source)

    def _first_weights(self, stage: Stage) -> dict[str, str]:
        if self.start_weights and stage is self.stages[0]:
            return {"Global.pretrained_model": self.start_weights}
        if isinstance(stage.source, str):
            return {"Global.pretrained_model": str(self._alone(stage.source))}
        return {
            f"Architecture.Models.{network}.pretrained": str(self.folder(source) / LATEST)
            for network, source in (stage.source or {}).items()
        }

    def _alone(self, source: str) -> Path:
        """Return where the newest weights of a stage are; of several networks, its Student's."""
        return self.folder(source) / (STUDENT.lower() if self._is_pair(source) else LATEST)

    def _is_pair(self, name: str) -> bool:
        return any(
            stage.name == name and isinstance(stage.source, dict) for stage in self.recipe.stages
        )

    def write_student(self, source: str) -> None:
        """Write the Student's weights out of those of a stage with several networks.

        Raises:
            CheckpointError: if the stage has no weights, or no Student.
        """
        newest = self.folder(source) / LATEST
        weights = network_parameters(read_parameters(newest), STUDENT, str(newest))
        write_parameters(self.folder(source) / f"{STUDENT.lower()}.pdparams", weights)

    def _expand_packs(self, shares: dict[str, float]) -> dict[str, float]:
        """Return shares by name, each pack in place of `*`; a pack that is named keeps its own."""
        named = dict(shares)
        of_every_pack = named.pop(EVERY_PACK, None)
        packs = {} if of_every_pack is None else dict.fromkeys(self.packs, of_every_pack)
        return {**packs, **named}

    def _labels(self, name: str, file: str) -> Path:
        return self.sets / name / file

    def _used_names(self) -> set[str]:
        return {name for stage in self.stages for name in (*stage.train, *stage.evaluation)}

    def progress(self) -> list[str]:
        """Return a line for each stage."""
        return [
            f"{stage.name}: {self.epochs_done(stage)} of {stage.epochs} epochs"
            for stage in self.stages
        ]


def _split_shares(shares: dict[str, float]) -> list[tuple[str, float]]:
    """List names and shares of at most 1: a share of 2.5 as 1, 1 and 0.5 of the same lines."""
    return [
        (name, min(1.0, share - done))
        for name, share in shares.items()
        for done in range(math.ceil(share))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    open_standard_streams()
    options = _parser().parse_args(arguments)
    with lasting_streams("stdout", "stderr"):
        return exit_status("latin", lambda: _run(options), "the same command goes on")


def _run(options: argparse.Namespace) -> int:
    name, _, weights = (options.start or "").partition("=")
    start = (name, weights) if name else None
    runner = Runner(read_recipe(options.stages), options.output, start, options.only, options.sets)
    if options.list:
        print("\n".join(runner.progress()))
        return 0
    with translate_disk_errors():
        options.output.mkdir(parents=True, exist_ok=True)
        with OutputLock(options.output):
            runner.prepare(options.data, options.fonts, options.workers, options.words)
            return 0 if options.prepare else runner.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.recipes.latin",
        description=(__doc__ or "").split("\n")[0],
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of packs, each with train.tsv and val.tsv")
    add("--output", type=Path, required=True, help="folder for rendered lines and checkpoints")
    add("--fonts", type=Path, help="folder of fonts to render with (default: those installed)")
    add("--words", type=Path, help="folder of word lists, for recipes that ask for them")
    add("--stages", type=Path, default=STAGES, help="the recipe (default %(default)s)")
    add("--start", metavar="STAGE=FILE", help="begin with this stage, from these weights")
    add("--only", nargs="+", default=[], metavar="STAGE", help="run these stages alone")
    add("--workers", type=int, default=2, help="processes that render (default %(default)s)")
    add("--sets", type=Path, help="folder for rendered lines (default OUTPUT/data)")
    add("--prepare", action="store_true", help="render what the stages need, and train nothing")
    add("--list", action="store_true", help="say how far each stage is, and do nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
