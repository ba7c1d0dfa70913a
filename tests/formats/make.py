"""Writes the files of this version that later ones must read; run once, when a version is made.

    PYTHONPATH=. python tests/formats/make.py

The folder of a version is never written again: what was written then is what is tested.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import runtime
from runtime.engines.choice.proof import CpuProof, proofs_of
from runtime.files import sha256_of_file
from runtime.infer.__main__ import main
from runtime.infer.arguments import parse_arguments
from runtime.infer.recognition.task import Reading
from runtime.infer.run_note import RunNote
from tests.runtime.conftest import toy_spec, write_toy_model
from tests.runtime.detection.conftest import toy_spec as toy_detector_spec
from tests.runtime.detection.conftest import write_toy_detector
from tests.runtime.engines.sidecars import PLAN, made_sidecar

FOLDER = Path(__file__).parent / runtime.__version__
NAMES = ("first.png", "second.png", "third.png")
SUFFIXES = (".jsonl", ".csv")


def make(folder: Path) -> None:
    """Write every format into a new folder.

    Two of three lines are read into the results, as by a run that was cut off.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for name in NAMES:
        blocks = rng.integers(0, 256, (1, 12, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), np.repeat(np.repeat(blocks, 32, axis=0), 12, axis=1))
    model = write_toy_model(folder / "lines.onnx", spec=toy_spec())
    detector = write_toy_detector(folder / "boxes.onnx", spec=toy_detector_spec())
    sha256 = sha256_of_file(model)
    proofs_of(model).keep(
        CpuProof(
            *(sha256, model.name, sha256, "openvino", "2026.4.1", "bf16", "a kind of CPU"),
            *(100, 99, "lines.txt", "99 % were asked for"),
        )
    )
    (folder / "lines.plan").write_bytes(PLAN)
    made_sidecar().write(folder / "lines.plan")
    read = [str(folder / name) for name in NAMES[:2]]
    for suffix in SUFFIXES:
        options = ["--model", str(model), "--output", str(folder / f"lines{suffix}"), "--quiet"]
        assert main([*read, *options]) == 0
        arguments = parse_arguments([*read, *options])
        RunNote(arguments.output, arguments, Reading.noted).write(is_continued=False)
    pages = ["--detect-only", "--detector", str(detector), "--quiet"]
    assert main([*read, *pages, "--output", str(folder / "boxes.jsonl")]) == 0
    for file in (*folder.glob("*.jsonl"), *folder.glob("*.csv")):
        # Names without the folder, in which they are read again.
        file.write_text(file.read_text(encoding="utf-8").replace(f"{folder}/", ""), "utf-8")


if __name__ == "__main__":
    make(FOLDER)
