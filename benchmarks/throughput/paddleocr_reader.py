"""PaddleOCR's own recogniser, from a checkout that lies elsewhere; nothing of it is copied.

It is `tools/infer/predict_rec.py` as it stands. Its batches, widths and post-processing are its
own; it is given an exported folder, or the ONNX file with `--use_onnx`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.parity.paddleocr import import_recognizer
from runtime.recognition.session import open_session
from runtime.recognition.spec import RecognizerSpec

_PROGRAM = "inference"


class PaddleOcrReader:
    """Reads line images as PaddleOCR does.

    Args:
        checkout: its top folder.
        model: the ONNX file, which also tells the characters and the height.
        folder: with `inference.json` or `.pdmodel`; the ONNX file is run when None.
        threads: of the CPU, for oneDNN; PaddleOCR opens the others with their defaults.
        onednn: its `--enable_mkldnn`.

    Attributes:
        busy_s: seconds inside paddle's predictor so far; 0 with ONNX, where others can measure.
    """

    def __init__(
        self, checkout: Path, model: Path, folder: Path | None, threads: int, onednn: bool = False
    ) -> None:
        session = open_session(model, device="cpu", threads=1)
        spec = session.spec
        session.close()
        utility, recognizer_class = import_recognizer(checkout)
        self._scratch = tempfile.TemporaryDirectory()
        scratch = Path(self._scratch.name)
        if folder is not None:
            _accept_json_programs(folder, scratch)
        words = [f"--rec_model_dir={model if folder is None else scratch}"]
        words += [f"--use_onnx={folder is None}", "--use_gpu=False", "--rec_algorithm=CRNN"]
        words += [f"--enable_mkldnn={onednn}", f"--cpu_threads={threads}"]
        words += [f"--rec_image_shape=3,{spec.height},320", *_characters(spec, scratch)]
        arguments = utility.init_args().parse_args(words)
        self._recognizer: Any = recognizer_class(arguments)
        self.busy_s = 0.0
        if folder is not None:
            self._recognizer.predictor = _Timed(self._recognizer.predictor, self)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[str]:
        """Return the text of each image, BGR uint8 [h, w, 3]."""
        results, _ = self._recognizer(list(images))
        return [text for text, _ in results]


class _Timed:
    """paddle's predictor with a clock around `run`."""

    def __init__(self, predictor: Any, reader: PaddleOcrReader) -> None:
        self._predictor, self._reader = predictor, reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def run(self, *arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return self._predictor.run(*arguments)
        finally:
            self._reader.busy_s += time.perf_counter() - start


def _characters(spec: RecognizerSpec, scratch: Path) -> list[str]:
    """Write the model's characters to a file; return PaddleOCR's options for them."""
    dictionary = scratch / "characters.txt"
    listed = spec.listed_characters
    dictionary.write_text("".join(f"{character}\n" for character in listed), encoding="utf-8")
    has_space = len(listed) < len(spec.characters)
    return ["--rec_char_dict_path", str(dictionary), "--use_space_char", str(has_space)]


def _accept_json_programs(folder: Path, scratch: Path) -> None:
    """Let PaddleOCR 2 open what paddle 3 writes: it asks for `.pdmodel`, which is `.json` now."""
    from paddle import inference

    program = next(
        (path for path in map(folder.joinpath, (f"{_PROGRAM}.pdmodel", f"{_PROGRAM}.json"))
         if path.is_file()),
        folder / f"{_PROGRAM}.json",
    )  # fmt: skip
    os.symlink(program.resolve(), scratch / f"{_PROGRAM}.pdmodel")
    weights = program.with_suffix(".pdiparams").resolve()
    os.symlink(weights, scratch / f"{_PROGRAM}.pdiparams")
    original = inference.Config

    def config(_: str, parameters: str) -> Any:
        made = original(str(program.resolve()), parameters)
        if program.suffix == ".json":  # paddle's own condition for running such a program
            made.enable_new_ir(True)
            made.enable_new_executor(True)
        return made

    inference.Config = config
