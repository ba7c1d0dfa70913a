"""A result comes back as it was written; what is none is refused with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measuring.machine import ROOT
from benchmarks.measuring.result import Failure, measure, read_result, save_result, surroundings
from runtime.errors import ArtifactError


def test_a_result_comes_back(make_result: Any, tmp_path: Path) -> None:
    result = make_result(
        failures=(Failure("gpu", "none", is_absent=True, tail=("a", "b")),), remarks=("busy",)
    )
    save_result(tmp_path / "a.json", result)
    assert read_result(tmp_path / "a.json") == result


def test_where_it_was_measured_is_part_of_it(make_result: Any, tmp_path: Path) -> None:
    result = make_result(**surroundings())
    save_result(tmp_path / "a.json", result)
    read = read_result(tmp_path / "a.json")
    assert read.fingerprint == result.fingerprint
    assert read.machine["cpus_available"] >= 1
    assert set(read.revision) == {"commit", "is_modified"}
    assert "numpy" in read.versions


def test_the_fingerprint_is_of_the_machine_not_of_its_load(make_result: Any) -> None:
    machine = make_result().machine
    assert make_result(machine={**machine, "load_average": 9}).fingerprint == (
        make_result().fingerprint
    )
    assert make_result(machine={**machine, "cpus_available": 3}).fingerprint != (
        make_result().fingerprint
    )


def test_median_and_extremes() -> None:
    one = measure("a", "ms", "lower", [3, 1, 2, 10])
    assert (one.value, one.least, one.most, one.samples) == (2.5, 1, 10, (3, 1, 2, 10))


def test_only_what_this_machine_has_can_fail(make_result: Any) -> None:
    assert not make_result(failures=(Failure("gpu", "none", is_absent=True),)).has_failed
    assert make_result(failures=(Failure("cpu", "crashed"),)).has_failed


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda entries: entries.pop(name)


def _measure(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda entries: entries["measures"][0].update(changes)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without("machine"), "'machine' is a required property"),
        (_without("revision"), "'revision' is a required property"),
        (_without("command"), "'command' is a required property"),
        (lambda entries: entries.update(more=1), "'more' was unexpected"),
        (_measure(better="faster"), "measures/0/better: 'faster' is not one of"),
        (_measure(value="much"), "measures/0/value: 'much' is not of type 'number'"),
        (_measure(samples=[]), "measures/0/samples"),
        (_measure(samples=[float("nan")]), "not finite"),
        (lambda entries: entries["measures"].append(entries["measures"][0]), "twice"),
        (lambda entries: entries.update(schema=99), "update this checkout"),
        (lambda entries: entries.update(schema="two"), "schema"),
    ],
)
def test_what_is_no_result_is_refused(
    spoil: Callable[[dict[str, Any]], None], reason: str, make_result: Any, tmp_path: Path
) -> None:
    entries = make_result().as_json()
    spoil(entries)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(ArtifactError, match=reason):
        read_result(file)


@pytest.mark.parametrize("content", [b"", b"[1", b"[1, 2]", b'"text"', b"\xff\xfe", b"{}"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.json"):
        read_result(tmp_path / "a.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot read"):
        read_result(tmp_path / "a.json")


def test_figures_that_are_not_numbers_are_not_written(make_result: Any, tmp_path: Path) -> None:
    bad = make_result(measures=(measure("a", "ms", "lower", [float("inf")]),))
    with pytest.raises(ArtifactError, match="not finite"):
        save_result(tmp_path / "a.json", bad)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "results").glob("*.json")))
def test_every_result_kept_here_can_be_read(file: Path) -> None:
    result = read_result(file)
    assert result.measures and result.machine["cpu"]


def test_the_first_throughput_results_keep_their_figures() -> None:
    result = read_result(ROOT / "benchmarks" / "results" / "throughput_rapidocr.json")
    if result.command[-1:] == ("throughput_rapidocr.json",):
        figures = {one.name: one for one in result.measures}
        speed = figures["reading / ours / speed"]
        assert speed.least < speed.value < speed.most
        assert figures["reading / rapidocr / right"].is_exact


def test_the_first_training_results_keep_their_figures() -> None:
    result = read_result(ROOT / "benchmarks" / "results" / "training_97.json")
    figures = {one.name: one for one in result.measures}
    assert figures["training step / ours / speed"].value == pytest.approx(23.609)
    assert result.details["references"]["training step"] == "paddle"


def test_a_distillation_result_is_read(tmp_path: Path) -> None:
    row = {
        **{"arm": "dml", "seeds": [1, 2], "accuracy": 0.5, "least": 0.4, "most": 0.6},
        **{"deviation": 0.1, "character_error_rate": 0.2, "gain": 0.05, "least_gain": 0.01},
        **{"most_gain": 0.1, "by_set": {}, "cost": 1.9},
    }
    entries = {
        **{"schema": 1, "benchmark": "distillation", "time": "2026-01-01", "steps": 5},
        "machine": {"cpu": "x", "cpus_available": 1},
        "revision": {"commit": None, "is_modified": None},
        "versions": {},
        "summary": [row, {**row, "arm": "alone", "gain": None, "cost": None}],
    }
    (tmp_path / "d.json").write_text(json.dumps(entries))
    figures = {one.name: one for one in read_result(tmp_path / "d.json").measures}
    assert figures["distillation / dml / exact"].most == 0.6
    assert figures["distillation / dml / gain"].least == 0.01
    assert "distillation / alone / gain" not in figures
