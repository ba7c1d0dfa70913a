"""What is installed here, what each step needs, and the command that mends what is missing.

The versions that a step accepts stand in setup.cfg alone and are read from the installed
metadata; `TESTED` says which of them the tests ran with.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from export.importing import imported
from export.packages import MODULES, OPENCV, STEPS, TESTED, Step

DISTRIBUTION = "distilrec"

_TELEMETRY_SWITCH = "ORT_DISABLE_TELEMETRY"
"""Read by onnxruntime as it is imported; `runtime` sets it unless it is set."""

_BRINGERS = ("paddle2onnx", "onnxslim", "onnx-graphsurgeon", "openvino")
"""Importing one of these imports other packages of the list, paddle above all: these go first."""


@dataclass(frozen=True)
class Finding:
    """What was found of one package.

    Args:
        package: its name.
        version: installed, None if it is not.
        accepted: the versions that this project accepts, e.g. `==1.17.0`; empty for any.
        problem: why it cannot serve, empty if it can.
    """

    package: str
    version: str | None
    accepted: str
    problem: str

    def __str__(self) -> str:
        mark = "ok" if not self.problem else "--" if self.version is None else "NO"
        tested = f"tested {TESTED[self.package]}" if self.package in TESTED else ""
        columns = f"  {mark} {self.package:24} {self.version or 'not installed':16} {tested:18}"
        return f"{columns} {self.problem if self.version else ''}".rstrip()


def find(package: str, is_imported: bool = False) -> Finding:
    """Look for one package.

    Args:
        package: as the registry names it.
        is_imported: also import it, in a process of its own, since an import may crash.
    """
    accepted = _accepted().get(OPENCV[0] if package in OPENCV else package, "")
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return Finding(package, None, accepted, "not installed")
    problem = ""
    if accepted and not _is_accepted(version, accepted):
        problem = f"expected {accepted}"
    elif is_imported:
        problem = imported(_module(package))[0]
    return Finding(package, version, accepted, problem)


def hint(step: str) -> str:
    """What is wrong with the packages of a step, for the end of an error message; else empty."""
    problems = [
        f"{' '.join(filter(None, (one.package, one.version)))}: {one.problem}"
        for one in _blocking(step)
    ]
    if not problems:
        return ""
    said = "; ".join(problems)
    return f". Doctor: {said}; {_remedy(STEPS[step])}"


def examine() -> tuple[str, bool]:
    """The whole report, and whether the road from a checkpoint to text is open."""
    facts = look()
    gpu = facts["gpu"] or "none found (nvidia-smi does not answer): everything runs on the CPU"
    lines = [
        f"Python {facts['python']} in {facts['prefix']}, {facts['platform']}",
        f"GPU: {gpu}",
        f"onnxruntime's telemetry: {facts['telemetry']}",
        *facts["warnings"],
    ]
    for name, step in facts["steps"].items():
        lines.append(f"{name}: {step['does']}: {step['state']}")
        lines += map(str, step["packages"])
    return "\n".join(lines), facts["is_open"]


def look() -> dict[str, Any]:
    """Return what `examine` reports, by name; `packages` of each of the `steps` are `Finding`s.

    Every package is imported once, in a process of its own or by one that needs it, as many at a
    time as there are CPUs: each alone, one after the other, they take twice the CPU time.
    """
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        asked = pool.submit(_gpu)
        found = _find_all(pool)
        gpu = asked.result()
    steps, is_open = {}, True
    for name, step in STEPS.items():
        is_ready = not _blocking(name, found.__getitem__)
        is_open &= is_ready or step.is_optional
        state = "ready" if is_ready else _remedy(step)
        if name == "engine" and gpu is None:
            state = "not on this machine, which has no GPU"
        needs = [[found[package] for package in _packages(need)] for need in step.needs]
        told = [finding for findings in needs for finding in _worth_telling(findings)]
        steps[name] = {"does": step.does, "state": state, "packages": told}
    return {
        "python": platform.python_version(),
        "prefix": sys.prefix,
        "platform": platform.platform(),
        "gpu": gpu,
        "telemetry": _telemetry(),
        "warnings": _clobbered(),
        "is_open": is_open,
        "steps": steps,
    }


def _find_all(pool: Executor) -> dict[str, Finding]:
    """Look for the packages of every step, and import those that are there."""
    packages = dict.fromkeys(
        package for step in STEPS.values() for need in step.needs for package in _packages(need)
    )
    found = {package: find(package) for package in packages}
    usable = [package for package in packages if not found[package].problem]
    modules: set[str] = set()
    for turn in (
        [package for package in usable if package in _BRINGERS],
        [package for package in usable if package not in _BRINGERS],
    ):
        waiting = [package for package in turn if _module(package) not in modules]
        for package, (problem, brought) in zip(
            waiting, pool.map(imported, map(_module, waiting)), strict=True
        ):
            found[package] = replace(found[package], problem=problem)
            modules |= brought
    return found


def _clobbered() -> list[str]:
    """Warn of packages that put their files over each other's."""
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if find(name).version]
    if len(installed) < 2:
        return []
    return [
        "onnxruntime AND onnxruntime-gpu are installed, in one folder: whichever came last is what "
        "runs, and the CPU package knows no CUDA; remedy: pip uninstall onnxruntime "
        "onnxruntime-gpu, then pip install 'distilrec[gpu]'"
    ]


def _blocking(step: str, look: Callable[[str], Finding] = find) -> list[Finding]:
    blocking = []
    for need in STEPS[step].needs:
        findings = [look(package) for package in _packages(need)]
        if all(one.problem for one in findings):
            blocking.append(findings[0])
    return blocking


def _worth_telling(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Of packages that stand in for each other those that are there; all when none is."""
    return [one for one in findings if one.version] or findings[:1]


def _telemetry() -> str:
    """Whether onnxruntime reports its use, which importing `runtime` forbids unless told not to."""
    value = os.environ.get(_TELEMETRY_SWITCH, "")
    if value == "1":
        return f"off ({_TELEMETRY_SWITCH}=1)"
    return f"not switched off ({_TELEMETRY_SWITCH}={value}); set it to 1, or unset it"


def _packages(need: str | tuple[str, ...]) -> Sequence[str]:
    return (need,) if isinstance(need, str) else need


def _remedy(step: Step) -> str:
    return f"pip install '{DISTRIBUTION}[{step.extra}]'"


def _accepted() -> dict[str, str]:
    """Package -> versions, from this project's own metadata."""
    try:
        from packaging.requirements import Requirement
    except ImportError:  # a bare interpreter: what pins versions brings it
        return {}
    try:
        stated = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}  # used from a bare folder: nothing is stated
    requirements = [Requirement(one) for one in stated]
    return {one.name: str(one.specifier) for one in requirements}


def _is_accepted(version: str, accepted: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(accepted).contains(version, prereleases=True)


def _module(package: str) -> str:
    return MODULES.get(package, package)


def _gpu() -> str | None:
    """Name, driver and compute capability as nvidia-smi tells them."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return "; ".join(told.strip().splitlines()) or None
