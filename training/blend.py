"""Mixes trained weights with those they began from, so that what these could read is kept.

    python -m training.blend -c configs/….yml --start START --trained TRAINED --output blended

Where fine-tuning gains on some data and loses on other, weights on the line between the two often
keep both. Several shares of the trained weights are evaluated on each label file of `Eval`, and
the best is written that reads no file worse than START does.
Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models".
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import CheckpointError
from runtime.program import add_json, show
from runtime.standard_streams import say
from training.command import DONE, SOME_FAILED, run_command
from training.output_folder import refuse_unwritable_file

if TYPE_CHECKING:
    from training.checkpoint.parameters import Parameters
    from training.config import Config
    from training.data.build import DataPart
    from training.run import Run

log = logging.getLogger("training.blend")  # also where it runs as __main__

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Shared:
    """What one share of the trained weights reads.

    Args:
        share: of the trained weights, 0 START's alone, 1 the trained ones alone.
        figures: the main network's main figure on each label file.
        counts: samples of each label file.
    """

    share: float
    figures: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def mean(self) -> float:
        """The figure over all samples."""
        pairs = zip(self.figures, self.counts, strict=True)
        return sum(figure * count for figure, count in pairs) / sum(self.counts)

    def as_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the share and its figures by label file."""
        named = dict(zip(names, self.figures, strict=True))
        return {"share": self.share, "figures": named, "all": self.mean}

    def keeps(self, start: Shared) -> bool:
        """Return whether no label file is read worse than by `start`."""
        return all(own >= other for own, other in zip(self.figures, start.figures, strict=True))


def blend(start: Parameters, trained: Parameters, share: float) -> Parameters:
    """Return the weights `share` of the way from `start` to `trained`.

    Args:
        start, trained: arrays of the same names and shapes.
        share: 0 to 1.
    """
    return {
        name: ((1 - share) * start[name] + share * array).astype(array.dtype)
        for name, array in trained.items()
    }


def choose(start: Shared, tried: Sequence[Shared]) -> Shared | None:
    """Return the best of those that read no label file worse than `start`, else the best of all.

    None where not one reads more than `start`.
    """
    kept = [shared for shared in tried if shared.keeps(start)]
    best = max(kept or tried, key=lambda shared: shared.mean)
    return best if best.mean > start.mean else None


def table(names: Sequence[str], rows: Sequence[Shared]) -> str:
    """Return the figures of every share, aligned: label files in columns, then all of them."""
    widths = [max(len(name), 7) for name in (*names, "all")]
    heads = [f"{name:>{width}}" for name, width in zip((*names, "all"), widths, strict=True)]
    lines = ["  ".join(["share", *heads])]
    for row in rows:
        figures = zip((*row.figures, row.mean), widths, strict=True)
        lines.append(
            "  ".join([f"{row.share:5.2f}", *(f"{own:{width}.4f}" for own, width in figures)])
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command("blend", __doc__, _blend, arguments, _add_arguments)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    add = parser.add_argument
    add("--start", required=True, metavar="CHECKPOINT", help="what the training began from")
    add("--trained", required=True, metavar="CHECKPOINT", help="what came of it")
    add("--output", required=True, type=Path, metavar="PREFIX", help="PREFIX.pdparams is written")
    add("--shares", nargs="+", type=_share, default=SHARES, metavar="SHARE",
        help="of the trained weights; default: 0.2 0.4 0.6 0.8 1")  # fmt: skip


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and up to 1, got {text}")
    return share


def _blend(config: Config, options: argparse.Namespace) -> int:
    from training.checkpoint.loading import load_into
    from training.checkpoint.parameters import (
        PARAMETERS,
        arrays_of,
        networks_in,
        read_parameters,
        write_parameters,
    )
    from training.data.loader import Loader
    from training.loop.evaluation import evaluate
    from training.run import build_trained_run

    output = Path(f"{str(options.output).removesuffix(PARAMETERS)}{PARAMETERS}")
    refuse_unwritable_file(output, "--output")
    config = _with(config, "Global", pretrained_model=options.trained, checkpoints=None)
    run, path = build_trained_run(config, ("Eval",))
    trained = arrays_of(run.model)
    where = f"checkpoint {options.start}"
    begun = read_parameters(options.start)
    if run.plan.model.is_distillation and "" in networks_in(begun):
        # One network alone, which the main one began from: the others are as they were trained.
        begun = {**trained, **{f"{run.metric.key}.{name}": begun[name] for name in begun}}
    load_into(run.model, begun, where, is_for_reading=True)
    start = arrays_of(run.model)
    if all((start[name] == array).all() for name, array in trained.items()):
        raise CheckpointError(
            f"--start and --trained hold the same weights: {options.start} and {path}; name what "
            "the training began from"
        )
    parts = _parts_of(config, run)
    rows: list[Shared] = []
    with ExitStack() as stack:
        # Their processes serve every share: each takes seconds to import what it needs.
        loaders = [
            stack.enter_context(Loader(part.dataset, part.num_workers)) for part in parts.values()
        ]
        for share in (0.0, *sorted(set(options.shares))):
            load_into(run.model, blend(start, trained, share), where)
            outcomes = [
                evaluate(run, part, loader)
                for part, loader in zip(parts.values(), loaders, strict=True)
            ]
            figures = tuple(outcome.figures[run.metric.main_indicator] for outcome in outcomes)
            rows.append(Shared(share, figures, tuple(outcome.num_samples for outcome in outcomes)))
            log.info("share %.2f: %s %.4f", share, run.metric.main_indicator, rows[-1].mean)
    best = choose(rows[0], rows[1:])
    text = [table(list(parts), rows)]
    if best is not None:
        write_parameters(output, blend(start, trained, best.share))
        text.append(f"{output}: {best.share:g} of the trained weights")
    values = {
        "shares": [row.as_json(list(parts)) for row in rows],
        "written": None if best is None else {"file": output, "share": best.share},
    }
    show(options, "\n".join(text), values)
    if best is None:
        say("blend: no share reads more than the start does; nothing is written")
        return SOME_FAILED
    if not best.keeps(rows[0]):
        say("blend: every share reads a label file worse than the start does; this reads most")
    return DONE


def _with(config: Config, section: str, **values: Any) -> Config:
    sections = copy.deepcopy(config.sections)
    sections[section].update(values)
    return dataclasses.replace(config, sections=sections)


def _parts_of(config: Config, run: Run) -> dict[str, DataPart]:
    """Build the evaluation data of each label file, or all of it where there are not several."""
    from training.plan import read_plan

    files = config.sections["Eval"]["dataset"].get("label_file_list")
    if not isinstance(files, list) or len(files) < 2:
        return {"Eval": run.data("Eval")}
    parts = {}
    for place, file in enumerate(files):
        alone = copy.deepcopy(config.sections["Eval"])
        alone["dataset"]["label_file_list"] = [file]
        ratios = alone["dataset"].get("ratio_list")
        if isinstance(ratios, list):
            alone["dataset"]["ratio_list"] = ratios[place : place + 1]
        plan = read_plan(_with(config, "Eval", **alone), ("Eval",))
        parts["/".join(Path(file).parts[-2:])] = plan.build_data(plan.evaluation)
    return parts


if __name__ == "__main__":
    sys.exit(main())
