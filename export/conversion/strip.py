"""Takes one network out of a checkpoint and shows that nothing of it was lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import paddle
from numpy.typing import NDArray

from export.contract import contract_of
from runtime.errors import ConfigError, ParityError
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
from training.distillation.model import DistillationModel
from training.network import Network
from training.networks import ALONE, Model, ModelPlan
from training.plan import DeployedPlan
from training.registry import unknown_name

log = logging.getLogger("export")


@dataclass(frozen=True)
class Stripped:
    """One network by itself.

    Args:
        name: its name in the config.
        network: in evaluation mode, weights loaded.
        parameters: its arrays, float32, every name that paddle gives them, without prefix.
        counts: values of every network in the checkpoint.
        build: builds it anew, weights at random.
    """

    name: str
    network: Network
    parameters: Parameters
    counts: Mapping[str, int]
    build: Callable[[], Network]


def strip(plan: DeployedPlan, checkpoint: str | Path, network: str) -> Stripped:
    """Take `network` out of `checkpoint`.

    Every name and shape has to be there. When the checkpoint holds the whole model, the stripped
    network's output is compared with that network's inside the whole, bit for bit.

    Args:
        plan: of the config that was trained.
        checkpoint: file, prefix or folder.
        network: its name; ignored when config and checkpoint hold a single network.

    Raises:
        ConfigError: if the config does not describe the network.
        CheckpointError: if a name or shape does not match.
        ArtifactError: if the dictionary disagrees with the head.
        ParityError: if the stripped network computes something else.
    """
    contract, model, num_classes = contract_of(plan), plan.model, plan.task.num_classes
    name = network if model.is_distillation else ALONE
    if name not in model.networks:
        message = unknown_name("network", network, model.networks)
        raise ConfigError(f"{plan.config.path}: {message}")
    whole_parameters = read_parameters(checkpoint)
    where = str(parameters_path(checkpoint))
    parameters = network_parameters(whole_parameters, network, where)
    contract.check_parameters(parameters, where)
    section = replace(model.networks[name], is_frozen=False, returns_all_features=False)
    single = ModelPlan(model.task, {ALONE: section})

    def build() -> Network:
        return single.build_network(section, num_classes)

    alone = build()
    report = load_into(alone, parameters, f"{network} of {where}")
    if report.left_out:
        log.info("%s", report)
    alone.eval()
    found = networks_in(whole_parameters)
    if model.is_distillation and set(found) == set(model.networks):
        whole = model.build(num_classes)
        load_into(whole, whole_parameters, where)
        _prove_equal(whole, network, alone, contract.probe_shapes)
    counts = {name or network: count_values(arrays) for name, arrays in found.items()}
    return Stripped(network, alone, arrays_of(alone), counts, build)


def _prove_equal(
    whole: Model, network: str, alone: Network, shapes: Sequence[tuple[int, ...]]
) -> None:
    assert isinstance(whole, DistillationModel)
    whole.eval()
    inside = whole.networks[network]
    rng = np.random.default_rng(0)
    for shape in shapes:
        images = rng.uniform(-1, 1, shape).astype(np.float32)
        expected = deployed_outputs(inside)(images)
        got = deployed_outputs(alone)(images)
        if not np.array_equal(expected, got):
            difference = float(np.abs(expected - got).max())
            raise ParityError(
                f"the stripped {network} differs from {network} inside the whole: expected the "
                f"same bits, got a difference of {difference:.3g}; this is a bug, please report it"
            )


def deployed_outputs(network: Network) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return a function from float32 [N, C, H, W] to what is deployed of a network, in paddle."""

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            result: NDArray[np.float32] = network.deployed(paddle.to_tensor(images)).numpy()
        return result

    return run
