"""What is noise and what is not; what must not be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import changes, main, require_comparable
from benchmarks.measuring.result import Measure, measure, save_result
from runtime.errors import ParityError
from tests.benchmarks.conftest import MACHINE, speed

THRESHOLD = 0.03


def verdict(make_result: Any, before: Measure, after: Measure) -> str:
    (change,) = changes(make_result(measures=(before,)), make_result(measures=(after,)), THRESHOLD)
    return change.verdict


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((100, 101, 102), (90, 91, 92), "worse"),
        ((100, 101, 102), (110, 111, 112), "better"),
        ((100, 101, 102), (100, 101, 102), "same"),
        ((80, 100, 120), (70, 85, 90), "same"),  # the ranges overlap
        ((100, 101, 102), (102.5, 103, 103.5), "same"),  # below the threshold
        ((100,), (96,), "same"),  # one round each: within what a lone figure may be off
        ((100,), (85,), "worse"),
    ],
)
def test_a_change_is_one_beyond_noise(
    before: tuple[float, ...], after: tuple[float, ...], expected: str, make_result: Any
) -> None:
    assert verdict(make_result, speed(*before), speed(*after)) == expected


def test_less_is_better_for_times(make_result: Any) -> None:
    slow, fast = (measure("a", "ms", "lower", each) for each in ([10, 11], [5, 6]))
    assert verdict(make_result, slow, fast) == "better"
    assert verdict(make_result, fast, slow) == "worse"


def test_what_repeats_exactly_has_no_noise(make_result: Any) -> None:
    assert verdict(make_result, speed(916, exact=True), speed(915, exact=True)) == "worse"
    assert verdict(make_result, speed(916, exact=True), speed(916, exact=True)) == "same"


def test_figures_that_come_and_go(make_result: Any) -> None:
    found = changes(
        make_result(measures=(speed(1, name="old"),)),
        make_result(measures=(speed(1, name="new"),)),
        THRESHOLD,
    )
    assert [(match.name, match.verdict) for match in found] == [("old", "gone"), ("new", "new")]


def test_a_figure_of_zero_has_no_ratio(make_result: Any) -> None:
    zero, one = (measure("errors", "share", "lower", [x], True) for x in (0, 1))
    (change,) = changes(make_result(measures=(zero,)), make_result(measures=(one,)), THRESHOLD)
    assert (change.ratio, change.verdict) == (None, "worse")


@pytest.mark.parametrize(
    ("what", "field", "value"),
    [
        ("machine", "machine", {**MACHINE, "cpus_available": 64}),
        ("inputs", "inputs", {"model": {"sha256": "bb", "name": "a.onnx"}}),
        ("settings", "settings", {"threads": 4}),
    ],
)
def test_what_is_not_alike_is_refused_unless_allowed(
    what: str, field: str, value: Any, make_result: Any
) -> None:
    before, after = make_result(), make_result(**{field: value})
    with pytest.raises(ParityError, match=f"--allow {what}"):
        require_comparable(before, after)
    require_comparable(before, after, [what])


def test_the_name_of_an_input_does_not_matter(make_result: Any) -> None:
    renamed = make_result(inputs={"model": {"sha256": "aa", "name": "b.onnx"}})
    require_comparable(make_result(), renamed)


def test_two_benchmarks_are_never_compared(make_result: Any) -> None:
    with pytest.raises(ParityError, match="latency and accuracy"):
        require_comparable(
            make_result(), make_result(benchmark="accuracy"), ["machine", "inputs", "settings"]
        )


def test_the_exit_status_tells_of_a_regression(
    make_result: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / f"{name}.json") for name in "abc"]
    for file, rate in zip(files, (100, 50, 200), strict=True):
        save_result(Path(file), make_result(measures=(speed(rate, rate + 1),)))
    assert main([files[0], files[1]]) == 1
    assert "worse" in capsys.readouterr().out
    assert main([files[0], files[2]]) == 0
    assert "1 better" in capsys.readouterr().out
    assert main([files[0], files[0]]) == 0
    assert capsys.readouterr().out == "1 same\n"


def test_what_cannot_be_compared_is_status_2(
    make_result: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_result(tmp_path / "a.json", make_result())
    save_result(tmp_path / "b.json", make_result(settings={"threads": 1}))
    assert main([str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert "settings: threads 2 against threads 1" in capsys.readouterr().err
    assert main([str(tmp_path / "a.json"), str(tmp_path / "none.json")]) == 2
