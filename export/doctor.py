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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

from export.importing import imported

DISTRIBUTION = "distilrec"

TESTED = {
    "paddlepaddle": "3.3.1",
    "paddle2onnx": "2.1.0",
    "onnx": "1.17.0",
    "onnxslim": "0.1.98",
    "onnx-graphsurgeon": "0.6.1",
    "onnxruntime": "1.32.0",
    "openvino": "2026.4.1",
    "tensorrt-rtx": "1.7.1.116",
    "cuda-python": "13.4.4",
}
"""Known to work together, on Python 3.11."""

OPENCV = (
    *("opencv-python-headless", "opencv-python"),
    *("opencv-contrib-python-headless", "opencv-contrib-python"),
)
"""The packages that bring `cv2`; what is said of the first holds for all."""

_TELEMETRY_SWITCH = "ORT_DISABLE_TELEMETRY"
"""Read by onnxruntime as it is imported; `runtime` sets it unless it is set."""

MODULES = {
    "paddlepaddle": "paddle",
    "onnx-graphsurgeon": "onnx_graphsurgeon",
    "onnxruntime-gpu": "onnxruntime",
    **dict.fromkeys(OPENCV, "cv2"),
    "tensorrt-rtx": "tensorrt_rtx",
    "tensorrt-cu12": "tensorrt",
    "tensorrt-cu13": "tensorrt",
    "tensorrt-lean": "tensorrt_lean",
    "cuda-python": "cuda.bindings.runtime",
}
"""The module to import where it is not named as its package."""


_BRINGERS = ("paddle2onnx", "onnxslim", "onnx-graphsurgeon", "openvino")
"""Importing one of these imports other packages of the list, paddle above all: these go first."""

_BUILDERS = ("tensorrt", "tensorrt-cu12", "tensorrt-cu13", "tensorrt-rtx")


@dataclass(frozen=True)
class Step:
    """One thing to do with this project.

    Args:
        does: in a few words.
        extra: what `pip install 'distilrec[extra]'` brings for it.
        needs: packages; of a tuple, one is enough.
        is_optional: whether the road from a checkpoint to text works without it.
    """

    does: str
    extra: str
    needs: tuple[str | tuple[str, ...], ...]
    is_optional: bool = False


STEPS: Mapping[str, Step] = {
    "images": Step("read images", "cpu", ("numpy", OPENCV)),
    "train": Step("train and strip", "train", ("paddlepaddle", "numpy")),
    "convert": Step(
        "convert to ONNX",
        "export",
        ("paddlepaddle", "paddle2onnx", "onnx", "onnxslim", "onnx-graphsurgeon"),
    ),
    "verify": Step("verify, and read on the CPU", "cpu", (("onnxruntime", "onnxruntime-gpu"),)),
    "openvino": Step("read on the CPU in OpenVINO too", "openvino", ("openvino",), True),
    "precision": Step("make and prove FP16", "export", ("onnx", "onnxruntime"), True),
    "build": Step(
        "build an engine",
        "build,tensorrt",
        (_BUILDERS, "onnx", "tqdm", ("onnxruntime", "onnxruntime-gpu")),
        True,
    ),
    "engine": Step(
        "read with an engine",
        "tensorrt",
        ((*_BUILDERS, "tensorrt-lean"), ("cuda-python", "pycuda")),
        True,
    ),
}


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
    """The whole report, and whether the road from a checkpoint to text is open.

    Every package is imported once, in a process of its own or by one that needs it, as many at a
    time as there are CPUs: each alone, one after the other, they take twice the CPU time.
    """
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        asked = pool.submit(_gpu)
        found = _find_all(pool)
        gpu = asked.result()
    lines = [
        f"Python {platform.python_version()} in {sys.prefix}, {platform.platform()}",
        f"GPU: {gpu or 'none found (nvidia-smi does not answer): everything runs on the CPU'}",
        f"onnxruntime's telemetry: {_telemetry()}",
        *_clobbered(),
    ]
    is_open = True
    for name, step in STEPS.items():
        blocking = _blocking(name, found.__getitem__)
        is_open &= not blocking or step.is_optional
        state = "ready" if not blocking else _remedy(step)
        if name == "engine" and gpu is None:
            state = "not on this machine, which has no GPU"
        lines.append(f"{name}: {step.does}: {state}")
        for need in step.needs:
            lines += [str(one) for one in _worth_telling([found[one] for one in _packages(need)])]
    return "\n".join(lines), is_open


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
