"""What distillation gives a Student, on real lines, over several seeds.

    python -m benchmarks.distillation --data PACKS --output output/gain --seeds 1 2 3

Every arm (configs/gain/arms.yml) trains the same Student from the same first weights on the same
lines for the same number of steps; the Student alone is then read. Each run has its own folder in
OUTPUT and is done once: killed, the command goes on where it was. Exit status: 0 done, 2 not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from benchmarks.distillation.arms import (
    ARMS,
    STUDENT,
    STUDENT_CONFIG,
    TEACHER,
    TWIN,
    Plan,
    read_arms,
    student_of,
)
from benchmarks.distillation.lines import ChosenLines, choose_lines
from benchmarks.distillation.picture import draw
from benchmarks.distillation.runs import Reference, Run, run_arm, run_reference
from benchmarks.distillation.start import write_start
from benchmarks.distillation.summary import BASELINE, GROUP, measures_of, summarize, table
from benchmarks.distillation.unlabelled import label_rest
from benchmarks.measuring.command import command_parser
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import Result, save_result, surroundings
from benchmarks.throughput.contenders import bundled_model
from runtime.errors import ConfigError, OcrError
from runtime.files import sha256_of_file
from runtime.recognition.charset import build_charset
from training.config import load_config

_START = ROOT / "weights" / "small_start.pdparams"
_START_DICTIONARY = ROOT / "configs" / "small_dict.txt"
_START_NETWORKS = {STUDENT: "Student", TWIN: "Teacher"}
"""Two networks of one structure, trained from different random numbers."""
_TEACHER = ROOT / "models" / "latin" / "student.pdparams"
"""The shipped model: it has twice the Student's channels and has seen every line of the packs."""
_RENDERED = {
    "name": "SyntheticDataSet",
    "difficulty": 0.3,
    "min_text_length": 2,
    "max_text_length": 10,
}
"""Lines of a kind that no arm trains on."""


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = command_parser("benchmarks.distillation", __doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of packs of real lines")
    add("--packs", nargs="+", default=["ic15_words", "sroie_receipts"], help="default: %(default)s")
    add("--max-width", type=int, default=160, metavar="PX", help="of a line 32 px high")
    add("--lines", type=int, default=300, help="training lines of them; default: %(default)s")
    add("--arms-file", type=Path, default=ARMS, help="the arms; default: %(default)s")
    add("--arms", nargs="+", help="those to run; all by default")
    add("--seeds", nargs="+", type=int, default=[1, 2, 3], help="default: %(default)s")
    add("--steps", type=int, default=240, help="default: %(default)s")
    add("--start", nargs="+", type=Path, default=[], metavar="FILE",
        help="first weights of Student and Twin, in place of the usual ones")  # fmt: skip
    add("--teacher", type=Path, default=_TEACHER, metavar="FILE", help="default: %(default)s")
    add("--onnx", type=Path, metavar="FILE", help="ONNX teacher; RapidOCR's by default")
    add("--rendered", type=int, default=400, help="rendered lines to read besides")
    add("-o", "--override", action="append", default=[], metavar="Section.key=value")
    add("--output", type=Path, default=Path("output/gain"), help="folder of the runs")
    add("--result", type=Path, metavar="FILE", help="JSON; a picture of the same name beside it")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = options_parser().parse_args(given)
    try:
        result = compare(options, given)
        if options.result is not None:
            save_result(options.result, result)
            draw(result, options.result.with_suffix(".png"))
    except OcrError as error:
        print(f"benchmarks.distillation: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def compare(options: argparse.Namespace, command: Sequence[str]) -> Result:
    """Do every run that is not done, print the table after each seed, return everything.

    Raises:
        OcrError: if something is missing or a run fails.
    """
    overrides = dict(map(_parse_override, options.override))
    around = surroundings()
    arms = read_arms(options.arms_file, options.arms)
    weights = dict(zip(_START_NETWORKS, (file.resolve() for file in options.start), strict=False))
    if weights and TWIN not in weights and any(TWIN in arm.networks for arm in arms):
        raise ConfigError(
            "--start: expected the first weights of the Twin too, got those of the Student alone; "
            "name a second file or leave out the arms with a Twin"
        )
    output = options.output.resolve()
    student = student_of(options.arms_file)
    section = load_config(student).sections["Global"]
    charset = build_charset(ROOT / section["character_dict_path"], section["use_space_char"])
    lines = choose_lines(
        options.data, options.packs, options.max_width, charset, output / "lines", options.lines
    )
    # First weights, the same for every arm: trained networks whose head is moved to this
    # dictionary, or random ones that the seed alone decides.
    if not weights and student == STUDENT_CONFIG:
        own = build_charset(_START_DICTIONARY, use_space_char=True)
        start = output / "start"
        weights = {
            network: write_start(_START, source, own, charset, start / f"{network}.pdparams")
            for network, source in _START_NETWORKS.items()
        }
    onnx, unlabelled, num_unlabelled = None, None, 0
    if any(arm.needs_onnx for arm in arms):
        onnx = (options.onnx or bundled_model("rapidocr", "--onnx")).resolve()
    if any(arm.unlabelled for arm in arms) and onnx is not None:
        longest = section["max_text_length"]
        unlabelled, num_unlabelled = label_rest(lines, onnx, charset, longest, output / "lines")
    plan = Plan(
        train=lines.train,
        val=lines.val,
        num_lines=lines.num_train,
        weights={**weights, TEACHER: options.teacher.resolve()},
        steps=options.steps,
        options=overrides,
        student=student,
        onnx=onnx,
        unlabelled=unlabelled,
        num_unlabelled=num_unlabelled,
    )
    # Networks as they are, to place the arms between: the first weights and the Teacher.
    sets = _data_sets(lines, options.rendered)
    references = {
        name: run_reference(
            Reference(name, network, plan.weights[network]),
            sets,
            output / f"reference_{name}",
            STUDENT_CONFIG if network == TEACHER else student,
        )
        for name, network in {"start": STUDENT, "teacher": TEACHER}.items()
        if network in plan.weights
    }
    results: dict[str, dict[int, Run]] = {arm.name: {} for arm in arms}
    with tqdm(total=len(arms) * len(options.seeds), unit="run") as progress:
        # Seeds outermost: stopped early, the comparison is complete for the seeds that are done.
        for seed in options.seeds:
            for arm in arms:
                progress.set_postfix_str(f"{arm.name}, seed {seed}")
                folder = output / f"{arm.name}_{seed}"
                results[arm.name][seed] = run_arm(arm, seed, plan, sets, folder)
                progress.update()
            shown = table(summarize(results, options.packs), references, options.packs)
            progress.write(shown, file=sys.stdout)
    summaries = summarize(results, options.packs)
    return Result(
        benchmark="distillation",
        title="What distillation brings",
        command=("python", "-m", "benchmarks.distillation", *command),
        inputs={
            name: {"sha256": sha256_of_file(file)}
            for name, file in {"teacher": options.teacher, "onnx": onnx}.items()
            if file is not None
        },
        settings={
            "packs": options.packs,
            "training_lines": lines.num_train,
            "unlabelled_lines": lines.num_rest if num_unlabelled else 0,
            "unlabelled_lines_kept": num_unlabelled,
            "steps": plan.epochs * plan.steps_per_epoch,
            "epochs": plan.epochs,
            "batch_size": plan.batch_size,
            "max_width_px": options.max_width,
            "overrides": options.override,
        },
        measures=tuple(measures_of(summaries)),
        details={
            "references": {GROUP: BASELINE},
            "arms": {arm.name: {"networks": arm.networks, "losses": arm.losses} for arm in arms},
            "summary": [summary.as_json() for summary in summaries],
            "networks": references,
            "runs": [run for runs in results.values() for run in runs.values()],
        },
        **around,
    )


def _data_sets(lines: ChosenLines, num_rendered: int) -> dict[str, dict[str, Any]]:
    packs: dict[str, dict[str, Any]] = {
        pack: {"name": "SimpleDataSet", "data_dir": ".", "label_file_list": [str(file)]}
        for pack, file in lines.val_by_pack.items()
    }
    return {**packs, "rendered": {**_RENDERED, "count": num_rendered}}


def _parse_override(text: str) -> tuple[str, Any]:
    path, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"-o {text}: expected Section.key=value, got no value")
    return path, yaml.safe_load(value)


if __name__ == "__main__":
    sys.exit(main())
