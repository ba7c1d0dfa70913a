"""The three parts of the training benchmark: equal batches, labelled lines, kinds of operation."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.measuring.alternation import Attempt, Check, Contender, run_in_alternation
from benchmarks.measuring.comparison import failures, figures_by_contender, speeds, table
from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import Failure, Measure
from benchmarks.training.inputs import random_inputs
from benchmarks.training.networks import (
    HEIGHT_PX,
    LINE_PX,
    PAGE_PX,
    PAIR_CONFIG,
    TIME_STRIDE_PX,
    check_config,
    classes_of,
    decoder_of,
)
from benchmarks.training.profile import profile_table
from benchmarks.training.real import BY_WIDTH, FIXED_WIDTH, RealSettings, label_file_of
from benchmarks.training.settings import (
    DESCRIPTIONS,
    FINDING,
    OURS,
    OURS_FROZEN_TEACHER,
    PADDLE,
    PADDLE_SETTINGS,
    PADDLEOCR,
    PYTORCH,
    StepSettings,
)
from runtime.errors import ConfigError
from training.config import load_config

STEPS, REAL, PROFILE = "training step", "real lines", "profile"
"""The parts, as the names of their figures begin."""
_COLUMNS = {
    "threads": "threads",
    "cpus_busy": "CPUs busy",
    "peak_memory_mib": "peak MiB",
    "first_loss": "first loss",
}
_REAL_COLUMNS = {
    "mean_width_px": "mean width px",
    "waiting_share": "waiting for data",
    "num_workers": "workers",
}
_PAIR_CLASSES = 97
_EQUAL_LOSS = 1e-3
"""Relative difference of first losses up to which float32 sums may differ."""


@dataclass(frozen=True)
class Part:
    """What one part found.

    Args:
        name: one of `STEPS`, `REAL`, `PROFILE`.
        attempts: every run with all its figures.
        measures: speeds, none where they say nothing.
        failures: of contenders.
        remarks: what a reader has to know before comparing.
        reference: the contender whose ratio is 1.
        inputs_sha256: of the batch that all contenders are fed.
        contenders: what each one is, by name.
    """

    name: str
    attempts: tuple[Attempt, ...]
    measures: tuple[Measure, ...] = ()
    failures: tuple[Failure, ...] = ()
    remarks: tuple[str, ...] = ()
    reference: str | None = None
    inputs_sha256: str = ""
    contenders: Mapping[str, str] = field(default_factory=dict)


def step_settings(options: argparse.Namespace) -> StepSettings:
    """Return the settings of every contender; sizes that no option gives are the config's."""
    network = load_config(PAIR_CONFIG).sections["Architecture"]["Models"]["Student"]
    settings = StepSettings(
        contender=OURS,
        config=str(PAIR_CONFIG),
        batch_size=options.batch_size,
        width_px=LINE_PX if options.width is None else options.width,
        classes=_PAIR_CLASSES if options.classes is None else options.classes,
        scale=network["Backbone"]["scale"] if options.scale is None else options.scale,
        hidden_size=network["Neck"]["hidden_size"],
        mid_channels=network["Head"]["mid_channels"],
        pytorch_threads=options.pytorch_threads,
        steps=options.steps,
        warmup=options.warmup,
        paddleocr=str(options.paddleocr.resolve()) if options.paddleocr else "",
    )
    if options.config is None:
        return settings
    path = check_config(options.config)
    config = load_config(path)
    if config.sections["Architecture"].get("model_type") == FINDING:
        side = options.width if options.width is not None else PAGE_PX
        return replace(
            settings, config=str(path), task=FINDING, height_px=side, width_px=side, classes=0
        )
    return replace(
        settings,
        config=str(path),
        classes=classes_of(path) if options.classes is None else options.classes,
        height_px=HEIGHT_PX,
        time_stride_px=TIME_STRIDE_PX,
        decoder=decoder_of(config),
    )


def reference_of(options: argparse.Namespace) -> str:
    """Return the contender whose ratio is 1: PaddleOCR where a config of its own is measured."""
    return PADDLEOCR if options.config and options.paddleocr else PADDLE


def choose_contenders(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the names to run, and those that cannot be run with the reason.

    Raises:
        ConfigError: if an option names an unknown one.
    """
    not_run: dict[str, str] = {}
    if options.contenders:
        names = options.contenders.split(",")
    else:
        names = [OURS, PADDLE] if options.config else [OURS, PADDLE_SETTINGS, PADDLE, PYTORCH]
        if options.paddleocr:
            names.append(PADDLEOCR)
    if options.frozen_teacher and OURS_FROZEN_TEACHER not in names:
        names.append(OURS_FROZEN_TEACHER)
    for name in names:
        if name not in DESCRIPTIONS:
            known = ", ".join(DESCRIPTIONS)
            raise ConfigError(f"--contenders: expected some of {known}, got {name!r}")
    if options.config:
        of_pair = "is of PP-OCRv2's pair alone: not with --config"
        not_run |= {name: of_pair for name in (PYTORCH, OURS_FROZEN_TEACHER) if name in names}
    own_python = options.pytorch_python == sys.executable
    if PYTORCH in names and own_python and importlib.util.find_spec("torch") is None:
        not_run[PYTORCH] = "PyTorch is not installed here; --pytorch-python names another Python"
    if PADDLEOCR in names and not options.paddleocr:
        not_run[PADDLEOCR] = "needs --paddleocr PATH, a checkout"
    return [name for name in dict.fromkeys(names) if name not in not_run], not_run


def measure_steps(options: argparse.Namespace, settings: StepSettings) -> Part:
    """Run the contenders on equal batches and print their table."""
    names, not_run = choose_contenders(options)
    expected = random_inputs(settings).sha256
    contenders = [
        _contender(
            name,
            "step",
            replace(settings, contender=name).to_json(),
            options.pytorch_python if name == PYTORCH else sys.executable,
        )
        for name in names
    ]
    attempts = _alternate(contenders, options, options.rounds, same_inputs(expected))
    print(table(attempts, reference_of(options), "images/s", _COLUMNS, not_run))
    remarks = remarks_on(attempts)
    for remark in remarks:
        print(remark)
    return Part(
        STEPS,
        tuple(attempts),
        measures=tuple(speeds(attempts, STEPS, "images/s").values()),
        failures=failures(attempts, not_run, STEPS),
        remarks=tuple(remarks),
        reference=reference_of(options),
        inputs_sha256=expected,
        contenders={name: DESCRIPTIONS[name] for name in (*names, *not_run)},
    )


def same_inputs(expected: str) -> Check:
    """Return a check that a contender was fed the batch with this hash."""

    def check(figures: dict[str, Any]) -> str | None:
        got = figures.get("inputs_sha256")
        if got == expected:
            return None
        return f"was fed another batch: expected sha256 {expected[:12]}, got {str(got)[:12]}"

    return check


def remarks_on(attempts: Sequence[Attempt]) -> list[str]:
    """Return a remark on every contender whose first loss is not that of the first contender."""
    losses = {
        name: float(rounds[-1]["first_loss"])
        for name, rounds in figures_by_contender(attempts).items()
        if rounds and "first_loss" in rounds[-1] and name != OURS_FROZEN_TEACHER
    }
    if not losses:
        return []
    first_name, first = next(iter(losses.items()))
    return [
        f"{name}: first loss {loss:.6g} is not {first:.6g} as of {first_name}: another "
        "computation, not to be compared"
        for name, loss in losses.items()
        if not abs(loss - first) <= _EQUAL_LOSS * abs(first)  # also where it is not a number
    ]


def measure_real(options: argparse.Namespace, settings: StepSettings) -> Part:
    """Run both width policies on labelled lines and print their table."""
    files = tuple(str(label_file_of(path)) for path in options.real)
    pair = replace(settings, steps=options.real_steps)
    variants = [
        RealSettings(variant, files, pair, options.num_workers, options.max_text_length)
        for variant in (BY_WIDTH, FIXED_WIDTH)
    ]
    contenders = [_contender(work.variant, "real", work.to_json()) for work in variants]
    attempts = _alternate(contenders, options, options.rounds)
    print(f"\n{len(files)} label files, data loading and augmentation included, both as ours:")
    print(table(attempts, FIXED_WIDTH, "images/s", _REAL_COLUMNS))
    return Part(
        REAL,
        tuple(attempts),
        measures=tuple(speeds(attempts, REAL, "images/s").values()),
        failures=failures(attempts, group=REAL),
        reference=FIXED_WIDTH,
    )


def measure_profile(options: argparse.Namespace, settings: StepSettings) -> Part:
    """Profile ours and paddle once each and print the table; recording makes speeds untrue."""
    contenders = [
        _contender(name, "profile", replace(settings, contender=name).to_json())
        for name in (OURS, PADDLE)
    ]
    attempts = _alternate(contenders, options, 1)
    good = {name: rounds[-1] for name, rounds in figures_by_contender(attempts).items() if rounds}
    print("\nby kind of operation, forward and backward (recording slows a step down):")
    print(profile_table({name: figures["seconds_by_kind"] for name, figures in good.items()}))
    failed = failures(attempts, group=PROFILE)
    for failure in failed:
        print(f"{failure.what}: failed: {failure.reason}")
    return Part(PROFILE, tuple(attempts), failures=failed)


def _contender(
    name: str, module: str, settings: str, interpreter: str = sys.executable
) -> Contender:
    return Contender(name, (interpreter, "-m", f"benchmarks.training.{module}", settings))


def _alternate(
    contenders: Sequence[Contender],
    options: argparse.Namespace,
    rounds: int,
    check: Check = lambda figures: None,
) -> list[Attempt]:
    def report(attempt: Attempt) -> None:
        state = attempt.reason or "done"
        line = f"round {attempt.round}/{rounds} {attempt.contender}: {state}"
        print(f"{line} ({attempt.seconds:.0f} s)", file=sys.stderr, flush=True)

    return run_in_alternation(contenders, rounds, options.timeout, ROOT, check, report)
