"""The way back: from a model file to a checkpoint, every step of it shown to be right."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.utils import unique_name

from export.chain import Source, spec_of_network, stripped_network
from export.contract import model_contract
from export.conversion.convert import convert
from export.conversion.model_file import ModelFile, read_model
from export.conversion.program import save_program
from export.conversion.rebuild import rebuilt
from export.conversion.staging import staged
from export.conversion.strip import deployed_outputs
from export.proof.forms import Run, run_of_onnx
from export.reversal import graph_operations, program_operations
from export.reversal.characters import dictionary_beside, told_of_classes, write_dictionary
from export.reversal.contract import ReversedContract, reversed_contract
from export.reversal.images import ImageFiles
from export.reversal.matching import Arrays, match
from export.reversal.means import rows_first
from export.reversal.operations import by_flow, layers_of
from export.reversal.proof import (
    prove_evaluation,
    prove_inputs,
    prove_step,
    prove_training,
    seems_equal,
)
from export.reversal.statistics import calibrate
from runtime.errors import ArtifactError, ConfigError, ParityError
from training.backbones.reparameterise import drop_training_parts, reparameterise, separate
from training.checkpoint.parameters import (
    PARAMETERS,
    Parameters,
    arrays_of,
    parameters_sha256,
    write_parameters,
)
from training.config import Config
from training.kernels import fast_path
from training.loop.ending import starting
from training.network import Network
from training.networks import ALONE
from training.plan import DeployedPlan, read_deployed_plan
from training.registry import unknown_name
from training.run import choose_device

log = logging.getLogger("export")


@dataclass(frozen=True)
class Request:
    """What to take back.

    Args:
        model: an ONNX file in FP32.
        config: of the network that it is.
        images: to measure statistics on: files, folders, patterns.
        output: the checkpoint, with or without its suffix.
        network: its name in a config of several.
        dictionary: one character a line, for a file that carries none.
        count: how many images at most; the task's own number when None.
    """

    model: Path
    config: Config
    images: Sequence[str | Path]
    output: Path
    network: str = "Student"
    dictionary: Path | None = None
    count: int | None = None


@fast_path(enabled=False)  # compiling kernels takes longer than these few batches
def train_again(request: Request) -> dict[str, Any]:
    """Write a checkpoint that trains, of a deployed ONNX file.

    Args:
        request: what.

    Returns:
        path and hash, the file of its characters, the command that trains it, what was matched,
        what starts fresh, and the figures of every proof.

    Raises:
        ConfigError: if the config cannot be read, or is of another task or other images.
        ArtifactError: if the file is damaged, not in FP32, another network or without characters.
        ParityError: if what was made of it computes something else, or cannot train.
    """
    started = time.perf_counter()
    output = _place(request.output)
    _refuse_existing(dictionary_beside(output))
    plan = read_deployed_plan(request.config)
    name = request.network if plan.model.is_distillation else ALONE
    if name not in plan.model.networks:
        message = unknown_name("network", name, plan.model.networks)
        raise ConfigError(f"{request.config.path}: {message}; say --network")
    source = _read(request)
    contract = reversed_contract(plan, name, source.spec)
    images = ImageFiles(request.images, request.count or contract.default_count)
    choose_device(plan.settings)
    run = run_of_onnx(source.model.SerializeToString(), source.spec)
    inputs = np.stack([contract.training_input(image) for image in images])

    network, merged, fresh = _networks(plan, name)
    num_layers = _take(merged, source, contract, run, inputs)
    separate(network, merged)
    num_norms = calibrate(network, inputs)
    log.info(
        "%d layers taken, %d BatchNorms measured on %d images",
        *(num_layers, num_norms, len(images)),
    )
    arrays = arrays_of(network)
    serving = model_contract(source.spec)
    proof = {
        "evaluation": prove_evaluation(
            *(run, network, contract, serving, images),
            lambda: (_steady(source), _exact(plan, name, arrays)),
        ),
        "training": prove_training(run, network, contract, inputs),
    }
    network.load_dict(arrays)
    proof["step"] = prove_step(run, network, contract, inputs)
    with staged(output.parent) as folder:
        file = folder / output.name
        write_parameters(file, arrays)
        again = _exported(Source(request.config, file, request.network))
        proof["exported"] = prove_inputs(run, again, contract, inputs, "when exported again")
        dictionary = write_dictionary(file, contract.dictionary)
        for name_written in (output.name, *dictionary):
            _refuse_existing(output.with_name(name_written))
    then = starting(request.config, output, name)
    log.info("train it: %s", then)
    return {
        "checkpoint": str(output),
        "dictionary": next((str(output.with_name(written)) for written in dictionary), None),
        "next": then,
        "weights_sha256": parameters_sha256(arrays),
        "model_sha256": source.sha256,
        "layers": num_layers,
        "norms": num_norms,
        "images": len(images),
        "fresh": fresh,
        **told_of_classes(contract),
        "proof": proof,
        "seconds": round(time.perf_counter() - started, 1),
    }


def _place(output: Path) -> Path:
    """Return the checkpoint's file; raises ConfigError if it is there."""
    path = output if output.suffix == PARAMETERS else output.with_name(output.name + PARAMETERS)
    if output.is_dir() or not output.name:
        raise ConfigError(f"--output {output}: expected the name of a checkpoint, got a folder")
    _refuse_existing(path)
    return path


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise ConfigError(
            f"--output {path}: expected a new file, got one that is there and may be what a long "
            "run saved; name another, or move it away"
        )


def _read(request: Request) -> ModelFile:
    source = read_model(request.model, request.dictionary)
    if source.is_half or source.is_eight_bit:
        kind = "FP16" if source.is_half else "8-bit"
        raise ArtifactError(
            f"{request.model} holds {kind} weights: expected FP32, which training goes on from; "
            "give the model that it was made of"
        )
    return source


def _networks(plan: DeployedPlan, name: str) -> tuple[Network, Network, list[str]]:
    """Build a network as it trains and as it is deployed; name what only training runs."""
    section = replace(plan.model.networks[name], is_frozen=False, returns_all_features=False)
    num_classes = plan.task.num_classes_of(section)
    paddle.seed(plan.settings.seed)
    with unique_name.guard():
        network = plan.model.build_network(section, num_classes)
    network.eval()
    with unique_name.guard():  # merging makes parameters too, whose names must not meet others
        merged = plan.model.build_network(section, num_classes)
        merged.eval()
        fresh = drop_training_parts(merged)
        reparameterise(merged)
    own, values = merged.state_dict(), network.state_dict()
    for parameter in own.keys() & values.keys():
        if own[parameter].shape == values[parameter].shape:
            own[parameter].set_value(values[parameter])
    if fresh:
        log.info(
            "starts fresh, because a deployed file has it not: %s (seed %d)",
            *(", ".join(fresh), plan.settings.seed),
        )
    return network, merged, fresh


def _take(
    merged: Network,
    source: ModelFile,
    contract: ReversedContract,
    run: Run,
    inputs: NDArray[np.float32],
) -> int:
    """Give a deployed network the weights of a file; return of how many layers.

    Layers are paired in the order in which both are written, or, where that does not fit, in the
    order in which their outputs need them.

    Raises:
        ArtifactError: naming the layers that do not fit.
        ParityError: if all fit and the network computes something else.
    """
    own, own_output = program_operations.operations_of(merged, [None, *inputs.shape[1:3], None])
    given = graph_operations.operations_of(source.model)
    rows = [
        (layers_of(own), layers_of(given)),
        (
            layers_of(by_flow(own, own_output)),
            layers_of(by_flow(given, source.spec.output_name)),
        ),
    ]
    failures: list[ArtifactError] = []
    is_tried = False
    for own_layers, given_layers in rows:
        try:
            arrays = match(own_layers, given_layers, contract.classes, str(source.path))
        except ArtifactError as error:
            failures.append(error)
            continue
        _load(merged, arrays)
        is_tried = True
        if seems_equal(run, deployed_outputs(merged), contract, inputs[:2]):
            return len(own_layers)
    if not is_tried:
        raise failures[0]
    raise ParityError(
        f"{source.path}: all {len(layers_of(own))} layers fit, but the network computes something "
        "else; check options of the config that have no weights: activations, slopes, strides, "
        "pooling"
    )


def _steady(source: ModelFile) -> Run:
    """Run a file with less rounding of its own."""
    return run_of_onnx(rows_first(source.model).SerializeToString(), source.spec)


def _exact(plan: DeployedPlan, name: str, parameters: Parameters) -> Run:
    """Build the network in float64, its branches apart."""

    def build() -> Network:
        section = replace(plan.model.networks[name], is_frozen=False, returns_all_features=False)
        network = plan.model.build_network(section, plan.task.num_classes_of(section))
        drop_training_parts(network)
        return network

    return deployed_outputs(rebuilt(build, parameters, "float64"))


def _load(network: Network, arrays: Arrays) -> None:
    state = network.state_dict()
    for name, array in arrays.items():
        state[name].set_value(np.ascontiguousarray(array, np.float32))


def _exported(source: Source) -> Run:
    """Export a checkpoint as `python -m export` does, and return what runs the ONNX model."""
    stripped = stripped_network(source)
    spec = spec_of_network(source, stripped)
    with tempfile.TemporaryDirectory() as folder:
        program = save_program(stripped.network, spec, Path(folder))
        model = convert(program, spec)
    return run_of_onnx(model.SerializeToString(), spec)
