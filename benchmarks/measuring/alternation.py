"""Runs contenders one after another, round by round, each time in a process of its own.

What a machine does besides changes over minutes; in alternation it meets all contenders alike.
A process of its own, because settings that a library reads when it is loaded cannot be undone.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TAIL_LINES = 20


@dataclass(frozen=True)
class Contender:
    """One command to measure.

    Args:
        name: as the table shows it.
        command: program and arguments; its last line on standard output is a JSON object.
        environment: variables it gets besides this process's own.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt:
    """One run of one contender: figures, or the reason why there are none.

    Args:
        contender: its name.
        round: from 1 on.
        seconds: of the whole process, start-up included.
        figures: the JSON object it ended in.
        reason: why it failed, one line.
        tail: the end of what it wrote, when it failed.
    """

    contender: str
    round: int
    seconds: float
    figures: dict[str, Any] | None = None
    reason: str | None = None
    tail: tuple[str, ...] = ()


Check = Callable[[dict[str, Any]], str | None]
"""Takes a run's figures; returns why they cannot be compared, or None."""


def run_in_alternation(
    contenders: Sequence[Contender],
    rounds: int,
    timeout_s: float,
    folder: Path,
    check: Check = lambda figures: None,
    report: Callable[[Attempt], None] = lambda attempt: None,
) -> list[Attempt]:
    """Run every contender once a round; each round starts with another one.

    A contender that fails is not run again: its one failure stands for it.

    Args:
        contenders: with names of their own.
        rounds: at least 1.
        timeout_s: for one process.
        folder: where the commands run.
        check: what else the figures have to satisfy.
        report: called with every attempt as it ends.
    """
    attempts: list[Attempt] = []
    failed: set[str] = set()
    for number in range(rounds):
        first = number % len(contenders) if contenders else 0
        for contender in [*contenders[first:], *contenders[:first]]:
            if contender.name in failed:
                continue
            attempt = _run(contender, number + 1, timeout_s, folder, check)
            if attempt.reason is not None:
                failed.add(contender.name)
            attempts.append(attempt)
            report(attempt)
    return attempts


def same_as_first(figure: str, objection: str) -> Check:
    """Return a check that refuses a run whose figure is not that of the first run it saw.

    Args:
        figure: of a run, e.g. a hash of its inputs.
        objection: what a refused run did.
    """
    first: list[str] = []

    def check(figures: dict[str, Any]) -> str | None:
        got = str(figures[figure])
        first.append(got)
        return None if got == first[0] else f"{objection}: {got[:12]} instead of {first[0][:12]}"

    return check


def _run(
    contender: Contender, number: int, timeout_s: float, folder: Path, check: Check
) -> Attempt:
    started = time.perf_counter()

    def failure(reason: str, output: str = "") -> Attempt:
        tail = tuple(output.strip().splitlines()[-_TAIL_LINES:])
        return Attempt(
            contender.name, number, time.perf_counter() - started, reason=reason, tail=tail
        )

    try:
        done = subprocess.run(
            contender.command,
            cwd=folder,
            env={**os.environ, **contender.environment},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return failure(f"no result after {timeout_s:g} s")
    except OSError as error:
        return failure(f"did not start: {error}")
    if done.returncode != 0:
        return failure(_reason(done.returncode, done.stderr), done.stderr)
    figures = _last_json_object(done.stdout)
    if figures is None:
        return failure("ended without a JSON line", done.stdout + done.stderr)
    objection = check(figures)
    if objection is not None:
        return failure(objection)
    return Attempt(contender.name, number, time.perf_counter() - started, figures=figures)


def _reason(status: int, errors: str) -> str:
    """Return the last line of a traceback, or the exit status."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if status < 0 or not lines:
        return f"ended with status {status}"
    return lines[-1]


def _last_json_object(output: str) -> dict[str, Any] | None:
    lines = output.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
