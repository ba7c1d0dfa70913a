"""Who is measured: this project with several numbers of threads, and its peers."""

from __future__ import annotations

import importlib.util
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.alternation import Contender
from runtime.cpu import cpu_kind
from runtime.engines.choice.ways import BF16, OPENVINO, version_of
from runtime.errors import OcrError

PEERS = {
    "rapidocr": ("rapidocr",),
    "paddleocr": ("paddleocr", "paddleocr-onednn", "paddleocr-onnx"),
    "none": (),
}
STAGES = "stages"
OWN: dict[str, tuple[str, str, str]] = {
    "ours": ("model", "cpu", "auto"),
    "ours-8-bit": ("eight_bit", "cpu", "auto"),
    "openvino": ("model", "openvino", "fp32"),
    "openvino-bf16": ("model", "openvino", "bf16"),
    "openvino-8-bit": ("eight_bit", "openvino", "auto"),
    "other": ("other", "cpu", "auto"),
    "other-8-bit": ("other_eight_bit", "cpu", "auto"),
}
"""This project's contenders: the option that names their file, device, precision."""
TITLES = {
    "ours": "this project",
    "ours-8-bit": "this project, the 8-bit form of that file",
    "openvino": "this project in OpenVINO, FP32",
    "openvino-bf16": "this project in OpenVINO, bf16",
    "openvino-8-bit": "this project in OpenVINO, the 8-bit form",
    "other": "this project, another model",
    "other-8-bit": "this project, the 8-bit form of the other model",
    "rapidocr": "RapidOCR, the same file",
    "paddleocr": "PaddleOCR's predict_rec.py on paddle, as it comes",
    "paddleocr-onednn": "the same with --enable_mkldnn",
    "paddleocr-onnx": "PaddleOCR's predict_rec.py on onnxruntime, the same file",
}
THREADS_OF_ITS_OWN = (
    "PaddleOCR takes a number of threads with --enable_mkldnn only: without it paddle is opened "
    "with its own default, and so is onnxruntime"
)
_BUNDLED_MODEL = "models/PP-OCRv6_rec_small.onnx"
_MODULE = "benchmarks.throughput.contender"


@dataclass(frozen=True)
class Chosen:
    """What is to be run.

    Args:
        reading: names of those that are compared, this project first.
        scaling: contender -> threads, for this project with fewer than all.
        absent: peer -> why it is not run.
        reference: the contender whose ratio is 1: the first peer, or this project alone.
    """

    reading: tuple[str, ...]
    scaling: dict[str, int]
    absent: dict[str, str]
    reference: str


def choose(options: Namespace) -> Chosen:
    """Choose the contenders that the options ask for and this machine has."""
    absent = {}
    if options.peer == "rapidocr" and importlib.util.find_spec("rapidocr") is None:
        absent["rapidocr"] = "rapidocr is not installed: pip install rapidocr"
    peers = [name for name in PEERS[options.peer] if name not in absent]
    if options.peer == "paddleocr":
        if options.paddleocr is None:
            raise OcrError(
                "--peer paddleocr: expected a checkout of PaddleOCR, got none; name its top folder "
                "with --paddleocr DIR"
            )
        if options.inference is None:
            reason = "no exported folder was given: --inference DIR with inference.json"
            absent = {name: reason for name in ("paddleocr", "paddleocr-onednn")}
            peers = ["paddleocr-onnx"]
    scaling = {}
    threads = 1
    while threads < options.threads:
        scaling[f"ours, {threads} thread{'s' if threads > 1 else ''}"] = threads
        threads *= 2
    own = [name for name, (file, _, _) in OWN.items() if getattr(options, file) is not None]
    if not options.openvino:
        own = [name for name in own if not name.startswith(OPENVINO)]
    elif version_of(OPENVINO) is None:
        reason = "OpenVINO is not installed: pip install 'distilrec[openvino]'"
        absent |= {name: reason for name in own if name.startswith(OPENVINO)}
    elif "bf16" not in (cpu_kind() or ""):
        absent[f"{OPENVINO}-{BF16}"] = "this CPU has neither AVX512-BF16 nor AMX"
    own = [name for name in own if name not in absent]
    return Chosen((*own, *peers), scaling, absent, peers[0] if peers else "ours")


def contender(label: str, name: str, lines: Path, options: Namespace, threads: int) -> Contender:
    """Make a contender of the command that runs it.

    Args:
        label: in the results.
        name: of `benchmarks.throughput.contender`.
        lines: as `write_lines` wrote them.
        options: the command line.
        threads: of the CPU.
    """
    return Contender(label, tuple(command_of(name, lines, options, threads)))


def command_of(
    name: str, lines: Path, options: Namespace, threads: int, more: Sequence[str] = ()
) -> list[str]:
    """Return the command that a contender runs; arguments as `contender`."""
    file, device, precision = OWN.get(name, OWN["ours"])
    program = "ours" if name in OWN else name
    words = [sys.executable, "-m", _MODULE, program, "--lines", str(lines)]
    words += ["--model", str(getattr(options, file).resolve()), "--threads", str(threads), *more]
    words += ["--device", device, "--precision", precision]
    for flag, path in (("--paddleocr", options.paddleocr), ("--inference", options.inference)):
        if path is not None:
            words += [flag, str(path.resolve())]
    return words


def bundled_model(peer: str, option: str = "--model") -> Path:
    """Find the recogniser that is installed with a peer.

    Args:
        peer: name of the package.
        option: that names another file, for messages.

    Raises:
        OcrError: if the peer is not installed, or brings none.
    """
    found = importlib.util.find_spec(peer)
    if found is None or found.origin is None:
        raise OcrError(f"{peer} is not installed: pip install {peer}")
    model = Path(found.origin).parent / _BUNDLED_MODEL
    if not model.is_file():
        raise OcrError(f"{peer} brings no {_BUNDLED_MODEL}: name an .onnx file with {option}")
    return model
