"""Inference engines behind one Protocol; which one opens a model follows from its suffix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ArtifactError, EngineError
from runtime.recognition.preprocess import Image
from runtime.recognition.spec import RecognizerSpec

DEVICES = ("auto", "cpu", "cuda", "tensorrt")

_ONNX_SUFFIXES = (".onnx",)
ENGINE_SUFFIXES = (".plan", ".engine")


@runtime_checkable
class Session(Protocol):
    """A loaded network, ready to run. One thread at a time uses it, unless it is shared."""

    @property
    def spec(self) -> RecognizerSpec:
        """What the network expects and emits."""

    @property
    def description(self) -> str:
        """Engine, version, device and threads obtained, for logs and reports."""

    def read(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Best class and its probability at every time step.

        Normalising and padding are the session's affair, so that a GPU may do them.

        Args:
            lines: uint8 [H, w, C] each, as `prepare_line` gives them, w <= `width_px`.
            width_px: W of the network's input, the same for all.

        Returns:
            integer [N, T] and float32 [N, T].

        Raises:
            EngineError: if the engine fails, or the network emits what is not a number.
        """

    def close(self) -> None:
        """Let go of the network; running it afterwards is an `EngineError`."""


@runtime_checkable
class SharedSession(Session, Protocol):
    """A session that several threads may use at once."""

    @property
    def num_lanes(self) -> int:
        """How many calls at once keep its device busy; more are allowed."""

    @property
    def lines_at_once(self) -> int | None:
        """More lines in one call than this gain nothing; None where more are always better."""


@runtime_checkable
class ProbabilitySession(Session, Protocol):
    """A session that hands out the probability of every class, not of the best alone."""

    def read_with_probabilities(
        self, lines: Sequence[Image], width_px: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """As `Session.read`, and the probabilities, float32 [N, T, K]."""


def open_session(
    model_path: str | Path,
    dictionary: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    device_id: int = 0,
    shared: bool = False,
) -> Session:
    """Open a model file with the engine that its suffix asks for.

    Args:
        model_path: an ONNX file, or a TensorRT plan (.plan, .engine) with its sidecar beside it.
        dictionary: one character per line; needed only by a model that carries none, and used
            instead of the model's own when given.
        device: `auto` takes the GPU when the engine has it, else the CPU, and logs why; `cpu`;
            `cuda`; `tensorrt`. A plan runs on a GPU and in TensorRT only.
        threads: of the CPU; as many as this process may use when None.
        device_id: number of the GPU, from 0.
        shared: whether several threads will use it at once, if it can be shared at all. On the
            CPU a call then computes with one thread, and `threads` calls at once with all.

    Raises:
        ArtifactError: if the model or the dictionary is missing, damaged or contradictory.
        EngineError: if the engine is not installed, or the device asked for is not to be had.
    """
    path = Path(model_path)
    if device not in DEVICES:
        raise EngineError(f"unknown device {device!r}: expected one of {', '.join(DEVICES)}")
    if threads is not None and threads < 1:
        raise EngineError(f"impossible number of threads: expected at least 1, got {threads}")
    suffix = path.suffix.lower()
    if suffix not in (*_ONNX_SUFFIXES, *ENGINE_SUFFIXES):
        raise ArtifactError(
            f"{path}: unknown kind of model: expected a file ending in .onnx, .plan or .engine"
        )
    if not path.is_file():
        what = "it is a folder" if path.is_dir() else "there is no such file"
        raise ArtifactError(
            f"cannot open the model {path}: {what}; give an ONNX file or a TensorRT plan"
        )
    if suffix in ENGINE_SUFFIXES:
        from runtime.recognition.tensorrt_session import open_tensorrt

        return open_tensorrt(path, dictionary, device, device_id)
    if device == "tensorrt":
        raise EngineError(
            f"{path}: TensorRT runs plans: expected a .plan or .engine file, got an ONNX file; "
            f"build one: python -m export build --onnx {path} --saveEngine PLAN"
        )

    from runtime.recognition.session import OnnxRuntimeSession

    return OnnxRuntimeSession(path, dictionary, device, threads, device_id, shared)
