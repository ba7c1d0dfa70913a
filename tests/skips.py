"""Name at the end of a run what was skipped, why, and what would let it run."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable, Iterator
from typing import Any

NOTHING = "nothing on this machine"
"""The remedy where a test is about another kind of system than this one."""

_REMEDIES = (
    (r"real line images", "DISTILREC_DATA=FOLDER_OF_PACKS make test"),
    (r"no reference numbers", "DISTILREC_GOLDEN=FOLDER_OF_NUMBERS make test"),
    (r"no browser", "apt-get install chromium, or playwright install chromium"),
    (r"PyTorch", "pip install torch"),
    (r"DISTILREC_PADDLEX_PYTHON", "DISTILREC_PADDLEX_PYTHON=PYTHON make test-slow"),
    (r"DISTILREC_PADDLEOCR", "DISTILREC_PADDLEOCR=CHECKOUT make test-slow"),
    (r"onnxruntime-gpu", "pip install onnxruntime-gpu"),
    (r"trtexec", "put TensorRT's trtexec on PATH"),
    (r"(there is a driver|has a GPU|wants none|without tokens)", NOTHING),
    (r"(GPU|CUDA|driver)", "make test-gpu, on a machine with an NVIDIA GPU"),
    (r"(this system|POSIX|signals|select|Linux|/proc|glibc|pipes)", NOTHING),
    (r"Pillow writes no", "pip install -U pillow"),
    (r"root may", "run it as another user than root"),
)
"""What the reason of a skip says -> what to do about it; the first that fits."""
_PACKAGES = {
    "PIL": "pillow",
    "cuda": "cuda-python",
    "google": "protobuf",
    "tensorrt_rtx": "tensorrt-rtx",
    "tritonclient": "'tritonclient[grpc,http]'",
    "ray": "'ray[serve]'",
    "yaml": "pyyaml",
}
"""Packages of modules that are called otherwise."""
_IMPORTED = re.compile(r"""importorskip\(\s*["']([\w.]+)""")
_MISSING = re.compile(r"could not import '([\w.]+)'")


def remedy(path: str, line: int, reason: str) -> str:
    """Return what would let a skipped test run, empty if that is not known.

    Args:
        path, line: where the test was skipped, the line from 1 on.
        reason: as pytest tells it.
    """
    module = _MISSING.search(reason) or _IMPORTED.search(linecache.getline(path, line))
    if module is not None:
        name = module[1].partition(".")[0]
        return f"pip install {_PACKAGES.get(name, name)}"
    return next((what for pattern, what in _REMEDIES if re.search(pattern, reason)), "")


def skipped_lines(reports: Iterable[Any]) -> Iterator[str]:
    """Yield a line for each reason with the number of tests, those that most share it first.

    Args:
        reports: of skipped tests, or of files that were skipped whole.
    """
    numbers: dict[tuple[str, str], int] = {}
    for report in reports:
        path, line, message = report.longrepr
        reason = message.removeprefix("Skipped: ")
        key = (reason, remedy(path, line, reason))
        numbers[key] = numbers.get(key, 0) + 1
    for (reason, what), number in sorted(numbers.items(), key=lambda entry: -entry[1]):
        yield f"{number:4}  {reason}" + (f"  ->  {what}" if what else "")


def deselected_lines(items: Iterable[Any]) -> Iterator[str]:
    """Yield a line for each marker that left tests out, with the command that runs them."""
    numbers = {"gpu": 0, "slow": 0}
    for item in items:
        for marker in numbers:
            if item.get_closest_marker(marker) is not None:
                numbers[marker] += 1
                break
    for marker, number in numbers.items():
        if number:
            yield f"{number:4}  marked {marker}  ->  make test-{marker}"
