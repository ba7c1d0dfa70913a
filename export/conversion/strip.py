"""Takes one network out of a checkpoint and shows that nothing of it was lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from runtime.errors import ConfigError, ParityError
from runtime.recognition.charset import Charset
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import (
    Parameters,
    arrays_of,
    count_values,
    network_parameters,
    networks_in,
    parameters_path,
    read_parameters,
)
from training.config import Config
from training.networks import (
    DistillationModel,
    RecognitionNetwork,
    build_model,
    check_architecture,
    is_distillation,
)
from training.registry import unknown_name

_PROBE_SHAPES = ((1, 64), (2, 160), (3, 320))


@dataclass(frozen=True)
class Stripped:
    """One network by itself.

    Args:
        name: its name in the config.
        network: in evaluation mode, weights loaded.
        parameters: its arrays, float32, every name that paddle gives them, without prefix.
        counts: values of every network in the checkpoint.
        section: of the config that describes it alone.
    """

    name: str
    network: RecognitionNetwork
    parameters: Parameters
    counts: Mapping[str, int]
    section: Mapping[str, Any]


def strip(
    config: Config, charset: Charset, checkpoint: str | Path, network: str, height: int
) -> Stripped:
    """Take `network` out of `checkpoint`.

    Every name and shape has to be there. When the checkpoint holds the whole model, the stripped
    network's output is compared with that network's inside the whole, bit for bit.

    Args:
        config: with the `Architecture` that was trained.
        charset: K - 1 characters.
        checkpoint: file, prefix or folder.
        network: its name; ignored when config and checkpoint hold a single network.
        height: H in px.

    Raises:
        ConfigError: if the config does not describe the network.
        CheckpointError: if a name or shape does not match.
        ArtifactError: if the dictionary disagrees with the head.
        ParityError: if the stripped network computes something else.
    """
    architecture = config.sections.get("Architecture")
    config.raise_problems(check_architecture(architecture))
    assert isinstance(architecture, Mapping)
    whole_parameters = read_parameters(checkpoint)
    where = str(parameters_path(checkpoint))
    section = architecture
    if is_distillation(architecture):
        if network not in architecture["Models"]:
            known = list(architecture["Models"])
            raise ConfigError(f"{config.path}: {unknown_name('network', network, known)}")
        section = architecture["Models"][network]
    parameters = network_parameters(whole_parameters, network, where)
    charset.check_head(_num_classes(parameters), where)
    section = {**section, "freeze_params": False, "return_all_feats": False}
    alone = build_model(section, charset.num_classes)
    assert isinstance(alone, RecognitionNetwork)
    load_into(alone, parameters, f"{network} of {where}")
    alone.eval()
    found = networks_in(whole_parameters)
    if is_distillation(architecture) and set(found) == set(architecture["Models"]):
        whole = build_model(architecture, charset.num_classes)
        load_into(whole, whole_parameters, where)
        _prove_equal(whole, network, alone, height)
    counts = {name or network: count_values(arrays) for name, arrays in found.items()}
    return Stripped(network, alone, arrays_of(alone), counts, section)


def _num_classes(parameters: Parameters) -> int:
    """K of a CTC head, from the bias of its last layer."""
    for name in ("head.fc2.bias", "head.fc.bias"):
        if name in parameters:
            return int(parameters[name].shape[0])
    raise ConfigError(
        "the checkpoint has no CTC head: expected head.fc.bias or head.fc2.bias among its names"
    )


def _prove_equal(
    whole: RecognitionNetwork | DistillationModel,
    network: str,
    alone: RecognitionNetwork,
    height: int,
) -> None:
    assert isinstance(whole, DistillationModel)
    whole.eval()
    inside = whole.networks[network]
    rng = np.random.default_rng(0)
    for num_images, width in _PROBE_SHAPES:
        images = rng.uniform(-1, 1, (num_images, 3, height, width)).astype(np.float32)
        expected = network_probabilities(inside)(images)
        got = network_probabilities(alone)(images)
        if not np.array_equal(expected, got):
            difference = float(np.abs(expected - got).max())
            raise ParityError(
                f"the stripped {network} differs from {network} inside the whole: expected the "
                f"same bits, got a difference of {difference:.3g}; this is a bug, please report it"
            )


def network_probabilities(
    network: RecognitionNetwork,
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function from float32 [N, C, H, W] to class probabilities float32 [N, T, K], in paddle."""

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            result: NDArray[np.float32] = network.probabilities(paddle.to_tensor(images)).numpy()
        return result

    return run
