"""Takes one network out of a checkpoint and shows that nothing of it was lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from export.contract import contract_of
from export.conversion.rebuild import default_dtype, rebuilt
from runtime.errors import ConfigError, ParityError
from training.backbones.reparameterise import drop_training_parts, reparameterise
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

_MERGED_TOLERANCE = 1e-6
"""Of a probability, in FP64: some networks move it ten thousand times as far as they round."""
log = logging.getLogger("export")


@dataclass(frozen=True)
class Stripped:
    """One network by itself.

    Args:
        name: its name in the config.
        network: as it is deployed, in evaluation mode: without parts that only training runs, its
            branches merged.
        parameters: its arrays as trained, float32, every name that paddle gives them, without
            prefix.
        counts: values of every network in the checkpoint.
        build: builds it anew, weights at random, branches apart.
    """

    name: str
    network: Network
    parameters: Parameters
    counts: Mapping[str, int]
    build: Callable[[], Network]


def strip(plan: DeployedPlan, checkpoint: str | Path, network: str) -> Stripped:
    """Take `network` out of `checkpoint`.

    Every name and shape has to be there, but for what only training runs. When the checkpoint holds
    the whole model, the stripped network's output is compared with that network's inside the
    whole, bit for bit.

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
    contract, model = contract_of(plan), plan.model
    name = network if model.is_distillation else ALONE
    if name in model.teachers:
        raise ConfigError(
            f"{plan.config.path}: {name} is the ONNX file {model.teachers[name].onnx}, of which no "
            f"checkpoint holds anything: expected one of {', '.join(model.networks)} to export"
        )
    if name not in model.networks:
        message = unknown_name("network", network, model.networks)
        raise ConfigError(f"{plan.config.path}: {message}")
    whole_parameters = read_parameters(checkpoint)
    where = str(parameters_path(checkpoint))
    parameters = network_parameters(whole_parameters, network, where)
    contract.check_parameters(network, parameters, where)
    section = replace(model.networks[name], is_frozen=False, returns_all_features=False)
    single = ModelPlan(model.task, {ALONE: section})
    num_classes = plan.task.num_classes_of(section)

    alone = single.build_network(section, num_classes)
    report = load_into(alone, parameters, f"{network} of {where}", is_for_reading=True)
    if report.left_out:
        log.info("%s", report)
    alone.eval()
    found = networks_in(whole_parameters)
    if model.is_distillation and set(found) == set(model.networks):
        whole = model.build(plan.task.num_classes_of)
        load_into(whole, whole_parameters, where, is_for_reading=True)
        _prove_equal(whole, network, alone, contract.probe_shapes)
    counts = {name or network: count_values(arrays) for name, arrays in found.items()}
    # What the file need not hold would be random, and another number in every export.
    trained = {
        name: array for name, array in arrays_of(alone).items() if name not in report.left_out
    }

    def build() -> Network:
        network = single.build_network(section, num_classes)
        drop_training_parts(network)
        return network

    dropped = drop_training_parts(alone)
    if dropped:
        log.info("left out, because only training runs it: %s", ", ".join(dropped))
    num_merged = reparameterise(alone)
    if num_merged:
        difference = _prove_merging(build, trained, contract.probe_shapes)
        log.info("merged %d layers; output within %.2g in float64", num_merged, difference)
    return Stripped(network, alone, trained, counts, build)


def _prove_merging(
    build: Callable[[], Network], parameters: Parameters, shapes: Sequence[tuple[int, ...]]
) -> float:
    """Merge branches in FP64, where rounding hides no mistake; return how far outputs move.

    In FP32 a merged network is another rounding of the one whose branches are apart, and some
    networks amplify that to any size. The forms that are written are held against the branches.

    Raises:
        ParityError: if the merged network computes something else.
    """
    network = rebuilt(build, parameters, "float64")
    rng = np.random.default_rng(0)
    batches = [rng.uniform(-1, 1, shape) for shape in shapes]
    apart = [deployed_outputs(network)(batch) for batch in batches]
    with default_dtype("float64"):
        reparameterise(network)
    merged = [deployed_outputs(network)(batch) for batch in batches]
    difference = max(
        float(np.abs(before - after).max()) for before, after in zip(apart, merged, strict=True)
    )
    if not difference <= _MERGED_TOLERANCE:
        raise ParityError(
            f"merging layers changed the network's output by {difference:.3g} in float64: "
            f"expected {_MERGED_TOLERANCE:g} at most; this is a bug, please report it"
        )
    return difference


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


def deployed_outputs(network: Network) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function from [N, C, H, W] to what is deployed of a network, in its precision."""

    def run(images: NDArray[Any]) -> NDArray[Any]:
        with paddle.no_grad():
            result: NDArray[Any] = network.deployed(paddle.to_tensor(images)).numpy()
        return result

    return run
