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
        (lambda entries: entries.update(schema=99), "got format 99; update this checkout"),
        (lambda entries: entries.update(schema=1), "expected a result of format 2, got format 1"),
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


def test_the_settings_tried_for_distillation_can_be_read() -> None:
    result = read_result(ROOT / "benchmarks" / "distillation" / "tuning.json")
    figures = {figure.name: figure for figure in result.measures}
    # What README says of 300 lines: alone and beside a pair.
    alone = figures["distillation / alone_plain, 300 lines, 234 steps, seed 100 / exact"]
    pair = figures["distillation / pair, DML 3, 300 lines, 234 steps, seed 100 / exact"]
    assert round(100 * (pair.value - alone.value), 1) == 4.5


def test_training_results_keep_every_figure_of_every_run() -> None:
    """README tells threads, waiting and kinds of operation, which are no measures."""
    folder = ROOT / "benchmarks" / "results"
    result = read_result(folder / "training_97.json")
    figures = {figure.name: figure for figure in result.measures}
    assert figures["training step / ours / speed"].value == pytest.approx(23.609)
    assert result.details["references"]["training step"] == "paddle"
    runs = result.details["runs"]["training step"]
    assert {run["figures"]["threads"] for run in runs if run["contender"] == "paddleocr"} == {1}
    runs = read_result(folder / "training_real_and_profile.json").details["runs"]
    assert runs["real lines"][0]["figures"]["waiting_share"] == 0.0002
    kinds = runs["profile"][0]["figures"]["seconds_by_kind"]
    assert round(kinds["depthwise convolution"] / sum(kinds.values()), 2) == 0.54


def test_distillation_results_keep_seeds_and_networks_read_as_they_are() -> None:
    result = read_result(ROOT / "benchmarks" / "results" / "distillation.json")
    figures = {figure.name: figure for figure in result.measures}
    gain = figures["distillation / pair / gain"]
    assert (gain.least, gain.value, gain.most) == (0.03765, 0.04097, 0.04762)
    seeds = [run["seed"] for run in result.details["runs"] if run["arm"] == "pair"]
    assert seeds == [1, 2, 3]
    assert result.details["networks"]["teacher"]["readings"]["sroie_receipts"]["exact"] == 400
    assert result.details["summary"][0]["best"] == 0.41307
