"""One paddle network -> an inference program, the two files that PaddleOCR deploys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paddle

from export.doctor import hint
from runtime.errors import ArtifactError
from runtime.silence import STDERR, STDOUT, silenced
from runtime.spec import ModelSpec
from training.network import Network

PROGRAM = "inference"
"""Name of the files of an inference program, as PaddleOCR writes them."""


class _Deployed(paddle.nn.Layer):
    """What is exported: images in, what is deployed of the network out."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        return _outputs(self.network, images)


@paddle.jit.not_to_static
def _outputs(network: Network, images: paddle.Tensor) -> paddle.Tensor:
    """Run a network as it is written.

    Nothing in a network depends on values, so paddle need not rewrite its functions before it
    traces them: that takes two thirds of an export's CPU time and gives the same program.
    """
    return network.deployed(images)


def trace(network: Network, shape: Sequence[int | None], input_name: str = "x") -> Any:
    """Return what is deployed of a network as a layer whose `forward` is a program.

    Args:
        network: weights loaded.
        shape: of the input, None where a size is open.
        input_name: of the input.
    """
    deployed = _Deployed(network)
    deployed.eval()
    spec = paddle.static.InputSpec(list(shape), "float32", input_name)
    return paddle.jit.to_static(deployed, input_spec=[spec], full_graph=True)


def save_program(
    network: Network, spec: ModelSpec, folder: Path, batch_size: int | None = None
) -> Path:
    """Trace a network into an inference program, `inference.json` and `inference.pdiparams`.

    Args:
        network: weights loaded.
        spec: gives the input's name and sizes.
        folder: where the two files go.
        batch_size: N, or None to leave it open.

    Returns:
        Path of `inference.json`.

    Raises:
        ArtifactError: if paddle cannot trace or write it.
    """
    shape = [batch_size, *spec.input_sizes]
    try:
        with silenced(STDOUT, STDERR):
            paddle.jit.save(trace(network, shape, spec.input_name), str(folder / PROGRAM))
    except Exception as error:  # paddle raises whatever its C++ side throws
        reason = " ".join(str(error).split())
        raise ArtifactError(
            f"paddle cannot trace and save the network in {folder}: {reason}{hint('convert')}"
        ) from error
    program = folder / f"{PROGRAM}.json"
    if not program.is_file() or not program.with_suffix(".pdiparams").is_file():
        raise ArtifactError(
            f"paddle wrote no inference program: expected {program} and .pdiparams{hint('convert')}"
        )
    _check_whole(program.with_suffix(".pdiparams"), network)
    return program


def _check_whole(params: Path, network: Network) -> None:
    """Check the size of the parameters: on a full disk paddle writes a part and says nothing."""
    expected = sum(tensor.size * tensor.element_size() for tensor in network.parameters())
    got = params.stat().st_size
    if got < expected:
        raise ArtifactError(
            f"cannot write {params}: expected at least {expected:,} bytes, got {got:,}; give a "
            "folder on a disk with room"
        )
