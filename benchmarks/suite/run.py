"""Runs the steps, each in a process of its own, and goes on where an earlier run ended."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.measuring.machine import ROOT, git_revision
from benchmarks.suite.plan import Step
from runtime.files import write_atomically

_POLL_S = 0.5
_GRACE_S = 5.0
_TAIL_LINES = 20
_LAST_BYTES = 4000
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Outcome:
    """How one step ended.

    Args:
        name: of the step.
        state: of the code and the command; the same state need not be run again.
        status: exit status; None where it was not run.
        seconds: that it took.
        reason: why it failed or was not run; None where all went well.
        is_absent: whether this machine lacks what it takes.
        tail: the end of what it wrote, when it failed.
    """

    name: str
    state: str
    status: int | None
    seconds: float = 0.0
    reason: str | None = None
    is_absent: bool = False
    tail: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Tell whether the step succeeded, so that others can build upon it."""
        return self.status == 0


def run_steps(steps: Sequence[Step], folder: Path, timeout_s: float) -> list[Outcome]:
    """Run what has not been run in this state of the code already.

    Args:
        steps: in their order.
        folder: where `logs` and `state.json` go.
        timeout_s: for one step.

    Returns:
        an outcome for each step; one that fails does not stop those that do not need it.
    """
    states = _read_states(folder / "state.json")
    code = state_of_code()
    outcomes: dict[str, Outcome] = {}
    with tqdm(steps, desc="suite", unit="step") as bar:
        for step in bar:
            bar.set_postfix_str(step.name)
            state = hashlib.sha256(json.dumps([code, step.command]).encode()).hexdigest()
            before = states.get(step.name)
            is_done = before is not None and before.is_good and before.state == state
            is_there = step.result is None or step.result.is_file()
            if is_done and is_there and before is not None and _need(step, outcomes) is None:
                outcomes[step.name] = before
                continue
            outcome = _run(step, state, folder / "logs", timeout_s, outcomes, bar)
            outcomes[step.name] = states[step.name] = outcome
            rows = {name: asdict(outcome) for name, outcome in states.items()}
            write_atomically(folder / "state.json", json.dumps(rows, indent=1).encode())
    return list(outcomes.values())


def _read_states(path: Path) -> dict[str, Outcome]:
    try:
        rows: dict[str, Any] = json.loads(path.read_bytes())
        return {name: Outcome(**{**row, "tail": tuple(row["tail"])}) for name, row in rows.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # the first run, or one of another version


def state_of_code() -> str:
    """Return a hash that changes with the commit and with every uncommitted change."""
    commit = git_revision()["commit"]
    try:
        found = subprocess.run(
            ["git", "-C", str(ROOT), "diff", "HEAD"], capture_output=True, timeout=20, check=False
        )
        changes = found.stdout
    except (OSError, subprocess.TimeoutExpired):
        changes = b""
    return f"{commit} {hashlib.sha256(changes).hexdigest()}"


def _need(step: Step, outcomes: dict[str, Outcome]) -> str | None:
    """Return the step that this one builds upon and that has not succeeded."""
    return next((name for name in step.needs if not outcomes[name].is_good), None)


def _run(
    step: Step, state: str, logs: Path, timeout_s: float, outcomes: dict[str, Outcome], bar: Any
) -> Outcome:
    if step.absent is not None:
        return Outcome(step.name, state, None, reason=step.absent, is_absent=True)
    missing = _need(step, outcomes)
    if missing is not None:
        return Outcome(step.name, state, None, reason=f"it needs {missing}, which did not succeed")
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{step.name}.log"
    start = time.perf_counter()
    if step.result is not None:
        step.result.unlink(missing_ok=True)  # an older one must not pass for this one's
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", *step.command],
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            process_group=0,  # so that its contenders end with it
        )
        try:
            status = _wait(process, step, log, timeout_s, bar)
        finally:
            _end(process)
    seconds = time.perf_counter() - start
    tail = _last_lines(log)[-_TAIL_LINES:]
    reason = None
    if status is None:
        reason = f"no result after {timeout_s:g} s"
    elif status != 0:
        reason = f"ended with status {status}: {(tail or ['nothing said'])[-1]}"
    elif step.result is not None and not step.result.is_file():
        status, reason = 1, f"ended well, but wrote no {step.result.name}"
    return Outcome(step.name, state, status, seconds, reason, False, tuple(tail) if reason else ())


def _wait(
    process: subprocess.Popen[bytes], step: Step, log: Path, timeout_s: float, bar: Any
) -> int | None:
    """Return the exit status, None beyond the time limit; meanwhile show the log's last line."""
    until = time.perf_counter() + timeout_s
    while time.perf_counter() < until:
        try:
            return process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            if sys.stderr.isatty():
                last_line = (_last_lines(log) or [""])[-1]
                bar.set_postfix_str(f"{step.name}: {last_line[:_SHOWN_CHARACTERS]}")
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all processes of a step, after its own end as after Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE_S)
        except ProcessLookupError:
            break  # all of them have ended
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _last_lines(log: Path) -> list[str]:
    """Return the end of a log, each state of a progress bar a line of its own."""
    with log.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _LAST_BYTES))
        text = stream.read().decode("utf-8", "replace")
    return [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
