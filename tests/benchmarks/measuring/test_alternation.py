"""Contenders take turns in processes of their own; a failure is kept with its reason."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measuring.alternation import Attempt, Contender, run_in_alternation


def script(name: str, code: str, environment: Mapping[str, str] | None = None) -> Contender:
    return Contender(name, (sys.executable, "-c", code), environment or {})


def figures(name: str, **values: Any) -> Contender:
    return script(name, f"print('noise'); print({json.dumps(json.dumps(values))})")


def order(attempts: list[Attempt]) -> list[tuple[int, str]]:
    return [(attempt.round, attempt.contender) for attempt in attempts]


def test_every_round_starts_with_another_contender(tmp_path: Path) -> None:
    told: list[Attempt] = []
    attempts = run_in_alternation(
        [figures("a", rate=1), figures("b", rate=2)], 3, 60.0, tmp_path, report=told.append
    )
    assert order(attempts) == [(1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (3, "b")]
    assert told == attempts
    assert [attempt.figures for attempt in attempts[:2]] == [{"rate": 1}, {"rate": 2}]


def test_each_run_is_another_process_with_its_own_environment(tmp_path: Path) -> None:
    code = "import json, os; print(json.dumps({'pid': os.getpid(), 'x': os.environ['X_OF_IT']}))"
    attempts = run_in_alternation(
        [script("a", code, {"X_OF_IT": "1"}), script("b", code, {"X_OF_IT": "2"})],
        2,
        60.0,
        tmp_path,
    )
    found = [attempt.figures for attempt in attempts]
    assert all(match is not None for match in found)
    assert len({match["pid"] for match in found if match}) == 4
    assert [match["x"] for match in found if match] == ["1", "2", "2", "1"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ImportError('no such engine')", "ImportError: no such engine"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status -9"),
        ("print('all went well')", "ended without a JSON line"),
        ("print([1])", "ended without a JSON line"),
        ("pass", "ended without a JSON line"),
        ("raise SystemExit(3)", "ended with status 3"),
    ],
)
def test_a_failure_is_kept_with_its_reason_and_not_repeated(
    code: str, reason: str, tmp_path: Path
) -> None:
    attempts = run_in_alternation(
        [script("broken", code), figures("sound", rate=1)], 2, 60.0, tmp_path
    )
    assert order(attempts) == [(1, "broken"), (1, "sound"), (2, "sound")]
    assert attempts[0].reason == reason
    assert attempts[0].figures is None


def test_the_end_of_a_failures_output_is_kept(tmp_path: Path) -> None:
    (attempt,) = run_in_alternation([script("broken", "1 / 0")], 1, 60.0, tmp_path)
    assert "Traceback" in "\n".join(attempt.tail)


def test_a_contender_that_hangs_is_ended(tmp_path: Path) -> None:
    (attempt,) = run_in_alternation([script("slow", "input_ = __import__('time').sleep(60)")], 1,
                                    0.5, tmp_path)  # fmt: skip
    assert attempt.reason == "no result after 0.5 s"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    gone = Contender("gone", (str(tmp_path / "no-such-program"),))
    (attempt,) = run_in_alternation([gone], 1, 60.0, tmp_path)
    assert attempt.reason is not None
    assert attempt.reason.startswith("did not start: ")


def test_figures_that_the_check_refuses_are_a_failure(tmp_path: Path) -> None:
    def check(found: dict[str, Any]) -> str | None:
        return None if found["rate"] == 1 else "was fed another batch"

    attempts = run_in_alternation(
        [figures("a", rate=1), figures("b", rate=2)], 1, 60.0, tmp_path, check
    )
    assert [attempt.reason for attempt in attempts] == [None, "was fed another batch"]
    assert attempts[1].figures is None
