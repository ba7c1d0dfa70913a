"""Parameters by PaddleOCR's names: reading and writing files, the networks inside.

Reading executes nothing (see `safe_pickle`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from runtime.errors import CheckpointError
from runtime.files import found_along, write_atomically
from training.checkpoint.safe_pickle import dump_pickle, load_pickle

Parameters = dict[str, NDArray[Any]]
PARAMETERS, SAFETENSORS = ".pdparams", ".safetensors"
NAME_TABLE = "StructuredToParameterName@@"
"""Entry in which old checkpoints list paddle's own names."""
_OF_AN_LSTM = re.compile(r"\.(weight|bias)_[ih]h_l\d+(_reverse)?$")
_OF_A_CELL = re.compile(r"\.\d+\.cell(_[fb]w)?\.(weight|bias)_[ih]h$")


def parameters_path(checkpoint: str | Path) -> Path:
    """Find a checkpoint's weights, `.pdparams` or `.safetensors`, by file, prefix or folder.

    A folder means the `best_accuracy` inside it, or else the `latest`.

    Raises:
        CheckpointError: if there is none, naming the files of its folder.
    """
    path = Path(checkpoint)
    is_file_name = path.suffix in (PARAMETERS, SAFETENSORS)
    candidates = [path] if is_file_name else [path.with_name(path.name + PARAMETERS)]
    if path.is_dir():
        candidates = [path / f"{name}{PARAMETERS}" for name in ("best_accuracy", "latest")]
    for candidate in map(found_along, candidates):
        if candidate.is_file():
            return candidate
    folder = path if path.is_dir() else path.parent
    there = sorted(
        file.name for suffix in (PARAMETERS, SAFETENSORS) for file in folder.glob(f"*{suffix}")
    )
    raise CheckpointError(
        f"no checkpoint at {checkpoint}: expected {candidates[0]}; "
        f"{folder} holds {', '.join(there) if there else f'no {PARAMETERS} file'}"
    )


def read_parameters(checkpoint: str | Path) -> Parameters:
    """Read the arrays of a `.pdparams` or `.safetensors` file by name.

    Args:
        checkpoint: file, prefix or folder, as `parameters_path` takes it.

    Returns:
        {name: array}, PaddleOCR's names.

    Raises:
        CheckpointError: if it is missing, unsafe, damaged or holds anything but arrays.
    """
    path = parameters_path(checkpoint)
    if path.suffix == SAFETENSORS:
        return _read_safetensors(path)
    content = load_pickle(path)
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} is not a checkpoint: expected names with arrays, got {type(content).__name__}"
        )
    parameters: Parameters = {}
    for name, value in content.items():
        if name == NAME_TABLE:
            continue
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
            value = value[1]
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise CheckpointError(
                f"{path} is not a checkpoint: expected an array under {name!r}, got "
                f"{type(value).__name__}"
            )
        parameters[name] = value
    return _checked(path, parameters)


def _checked(path: Path, parameters: Parameters) -> Parameters:
    for name, value in parameters.items():
        if value.dtype.kind not in "fiub" or value.dtype == np.uint16:
            # paddle writes bfloat16 as uint16, whose numbers mean nothing by themselves.
            raise CheckpointError(
                f"{path}: expected float arrays, got {value.dtype} under {name}; save the weights "
                "as float32"
            )
    if not parameters:
        raise CheckpointError(f"{path} holds no parameters: expected at least one, got none")
    return parameters


def _read_safetensors(path: Path) -> Parameters:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        parameters: Parameters = load_file(path)
    except (KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{path}: expected arrays of a type that numpy has, got {error}; save the weights as "
            "float32"
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged: expected a safetensors file of arrays, got "
            f"{type(error).__name__}: {error}; copy or download it again"
        ) from error
    return _checked(path, parameters)


def parameters_sha256(parameters: Mapping[str, NDArray[Any]]) -> str:
    """Hash of names, shapes, types and values, the same however the file was written."""
    digest = hashlib.sha256()
    for name in sorted(parameters):
        array = np.ascontiguousarray(parameters[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def arrays_of(layer: paddle.nn.Layer) -> Parameters:
    """Copy every parameter and buffer of a layer, by its structured name."""
    return {name: tensor.numpy().copy() for name, tensor in layer.state_dict().items()}


def write_parameters(path: Path, parameters: Mapping[str, NDArray[Any]]) -> None:
    """Write a `.pdparams` file that paddle and PaddleOCR read too."""
    write_atomically(path, dump_pickle(dict(parameters)))


def write_safetensors(path: Path, parameters: Mapping[str, NDArray[Any]]) -> None:
    """Write a `.safetensors` file, which other frameworks read; names as in `.pdparams`."""
    from safetensors.numpy import save

    # `ascontiguousarray` would give a scalar a dimension.
    arrays = {name: np.asarray(array, order="C") for name, array in parameters.items()}
    write_atomically(path, save(arrays))


_NETWORK_PARTS = frozenset({"backbone", "neck", "head"})


def networks_in(parameters: Mapping[str, NDArray[Any]]) -> dict[str, Parameters]:
    """Split a checkpoint into its networks, each name without the network's prefix.

    Args:
        parameters: of a distillation model, `<network>.<path>`, or of one network, `<path>`.

    Returns:
        {network: parameters} in the checkpoint's order; a single network's name is empty.

    Raises:
        CheckpointError: if names of both kinds are mixed.
    """
    networks: dict[str, Parameters] = {}
    for name, array in parameters.items():
        first, _, rest = name.partition(".")
        if first in _NETWORK_PARTS:
            networks.setdefault("", {})[name] = array
        else:
            networks.setdefault(first, {})[rest] = array
    if "" in networks and len(networks) > 1:
        others = ", ".join(name for name in networks if name)
        raise CheckpointError(
            f"the checkpoint mixes a bare network with others: expected only prefixed or only "
            f"bare names, got both (prefixes: {others})"
        )
    return networks


def network_parameters(
    parameters: Mapping[str, NDArray[Any]], network: str, where: str
) -> Parameters:
    """Return the parameters of one network, by its name or from a checkpoint of one network.

    Raises:
        CheckpointError: if the checkpoint holds several and none of that name.
    """
    networks = networks_in(parameters)
    if network in networks:
        return networks[network]
    if "" in networks:
        return networks[""]
    counts = ", ".join(
        f"{name} ({count_values(arrays):,} values)" for name, arrays in networks.items()
    )
    raise CheckpointError(f"{where}: expected a network named {network}, got {counts}")


def count_values(parameters: Mapping[str, NDArray[Any]]) -> int:
    """Count the values of a network; of paddle's two names for each LSTM weight one counts."""
    by_layer = {name.rpartition(".")[0] for name in parameters if _OF_AN_LSTM.search(name)}
    return sum(
        array.size
        for name, array in parameters.items()
        if not (cell := _OF_A_CELL.search(name)) or name[: cell.start()] not in by_layer
    )
