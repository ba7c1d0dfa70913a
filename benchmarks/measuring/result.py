"""One result file: what was measured, on which machine, from which inputs, by which command.

Every benchmark writes this shape; `benchmarks.compare` and `benchmarks.report` read nothing else.
A file is checked against `SCHEMA` when it is written and when it is read.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measuring.machine import (
    PACKAGES,
    describe_machine,
    fingerprint_of,
    git_revision,
    is_busy,
    package_versions,
)
from benchmarks.measuring.result_schema import FORMAT, SCHEMA
from runtime.errors import ArtifactError, OcrError
from runtime.files import sha256_of_file, write_atomically

MEASURED_PACKAGES = (
    *PACKAGES,
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "rapidocr",
    "tensorrt",
    "tensorrt-rtx",
)
"""Packages whose versions stand in a result where they are installed."""


@dataclass(frozen=True)
class Measure:
    """One figure with its spread.

    Args:
        name: unique in its result, from the general to the particular: `ours / lines per second`.
        unit: `lines/s`, `ms`, `share`, `MiB`, `lines`.
        better: `higher` or `lower`.
        value: what stands for the samples: their median, where the benchmark says no other.
        least, most: of the samples.
        samples: one for each round.
        is_exact: whether repeating gives the same value, so that any difference is a change.
    """

    name: str
    unit: str
    better: str
    value: float
    least: float
    most: float
    samples: tuple[float, ...]
    is_exact: bool = False


def measure(
    name: str, unit: str, better: str, samples: Sequence[float], is_exact: bool = False
) -> Measure:
    """Make a `Measure` of at least one sample."""
    values = tuple(float(sample) for sample in samples)
    middle, least, most = statistics.median(values), min(values), max(values)
    return Measure(name, unit, better, middle, least, most, values, is_exact)


@dataclass(frozen=True)
class Failure:
    """Something that was to be measured and gave no figure.

    Args:
        what: backend, contender or step.
        reason: one line.
        is_absent: whether this machine lacks what it takes, rather than that it failed.
        tail: the end of what it wrote.
    """

    what: str
    reason: str
    is_absent: bool = False
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """Everything about one run of one benchmark.

    Args:
        benchmark: `latency`, `throughput`, …
        title: what it answers, for a heading.
        time: ISO 8601, UTC.
        command: as typed.
        machine, revision, versions: where.
        inputs: what went in; values under `sha256` keys decide whether two runs are comparable.
        settings: how; threads and rounds among them.
        measures: the figures.
        failures: what gave none.
        remarks: what a reader should know before believing anything.
        details: of this kind of benchmark, for its page.
    """

    benchmark: str
    title: str
    command: tuple[str, ...]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    failures: tuple[Failure, ...] = ()
    remarks: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    time: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    revision: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Hash of the machine, 12 hexadecimal digits, the same for all its results."""
        return fingerprint_of(self.machine)

    @property
    def has_failed(self) -> bool:
        """Tell whether anything failed that this machine should be able to run."""
        return any(not failure.is_absent for failure in self.failures)

    def as_json(self) -> dict[str, Any]:
        """Return the result as its file holds it."""
        entries = json.loads(json.dumps(asdict(self)))
        return {"schema": FORMAT, "fingerprint": self.fingerprint, **entries}


def surroundings() -> dict[str, Any]:
    """Time, machine, revision and versions of now, and a remark when the machine is busy.

    Returns:
        keyword arguments of `Result`. Call it before measuring: the load is that of before.
    """
    machine = describe_machine()
    busy, cpus = machine["busy_cpus"], machine["cpus_available"]
    remark = f"this machine was busy before the first run ({busy} of {cpus} CPUs)"
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "revision": git_revision(),
        "versions": package_versions(MEASURED_PACKAGES),
        "remarks": (remark,) if is_busy(machine) else (),
    }


def named_file(path: Path) -> dict[str, str]:
    """Return name and hash of a file, for a result's inputs."""
    return {"name": path.name, "sha256": sha256_of_file(path)}


def exit_status(
    program: str,
    measured: Callable[[], Result],
    lines_of: Callable[[Result], Iterable[str]] = lambda result: (),
    output: Path | None = None,
) -> int:
    """Measure, print what was found, and return the command's exit status.

    Args:
        program: as it calls itself on stderr.
        measured: measures, and keeps the result where `output` does not.
        lines_of: what is printed of it.
        output: file to save it to, None for none.

    Returns:
        0 all measured, 1 something failed that this machine has, 2 nothing was measured.
    """
    try:
        result = measured()
        if output is not None:
            save_result(output, result)
    except OcrError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    for line in lines_of(result):
        print(line)
    return int(result.has_failed) if result.measures else 2


def save_result(path: Path, result: Result) -> None:
    """Write it whole or not at all, checked as `read_result` will check it.

    Raises:
        ArtifactError: if a figure is not a number, or the disk refuses.
    """
    entries = result.as_json()
    _check(entries, path)
    text = json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
    try:
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise ArtifactError(
            f"cannot write {path}: {error.strerror or error}; check the place"
        ) from error


def read_result(path: Path) -> Result:
    """Read a result.

    Raises:
        ArtifactError: if it cannot be read, is no result, or is of another format.
    """
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"cannot read {path}: expected a result of python -m benchmarks.…, got {error}; "
            "measure again"
        ) from error
    if isinstance(entries, dict) and isinstance(entries.get("schema"), int):
        found = entries["schema"]
        if found != FORMAT:
            remedy = "update this checkout" if found > FORMAT else "measure again"
            raise ArtifactError(
                f"{path}: expected a result of format {FORMAT}, got format {found}; {remedy}"
            )
    _check(entries, path)
    known = {name: value for name, value in entries.items() if name in Result.__annotations__}
    known["measures"] = tuple(
        Measure(**{**entry, "samples": tuple(entry["samples"])}) for entry in entries["measures"]
    )
    known["failures"] = tuple(
        Failure(**{**entry, "tail": tuple(entry["tail"])}) for entry in entries["failures"]
    )
    for name in ("command", "remarks"):
        known[name] = tuple(known[name])
    return Result(**known)


def _check(entries: Any, path: Path) -> None:
    try:
        from jsonschema import Draft202012Validator
    except ImportError as error:
        raise OcrError(
            "results are checked with jsonschema, which is not installed: "
            "pip install 'distilrec[dev]'"
        ) from error
    faults = sorted(
        Draft202012Validator(SCHEMA).iter_errors(entries),
        key=lambda fault: list(map(str, fault.path)),
    )
    if faults:
        where = "/".join(map(str, faults[0].absolute_path)) or "the file"
        raise ArtifactError(
            f"{path} is no result of format {FORMAT}: {where}: {faults[0].message[:200]}; "
            "measure again"
        )
    for entry in entries["measures"]:
        if not all(
            map(math.isfinite, (entry["value"], entry["least"], entry["most"], *entry["samples"]))
        ):
            raise ArtifactError(
                f"{path}: expected numbers for {entry['name']!r}, got some that are not finite; "
                "measure again"
            )
    names = [entry["name"] for entry in entries["measures"]]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArtifactError(
            f"{path}: expected a name for each measure, got {twice!r} twice; measure again"
        )
