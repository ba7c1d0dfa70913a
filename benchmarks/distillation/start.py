"""First weights: a trained network of another dictionary, its head moved to this one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runtime.errors import CheckpointError
from runtime.recognition.charset import Charset
from training.checkpoint.parameters import (
    Parameters,
    network_parameters,
    read_parameters,
    write_parameters,
)

_LAST_WEIGHT, _LAST_BIAS = "head.fc2.weight", "head.fc2.bias"


def move_head(parameters: Parameters, source: Charset, target: Charset) -> Parameters:
    """Give each class of `target` the output weights of its character in `source`.

    A character that `source` lacks starts with weights of 0 and as unlikely as the unlikeliest of
    the others; nothing is drawn at random, so that every run starts from the same numbers.

    Args:
        parameters: of one network with a head of two layers, of any float type.
        source, target: the dictionaries.

    Returns:
        The same as float32, with the new head [C, K] and [K].

    Raises:
        CheckpointError: if the head is not one of `source`.
    """
    moved = {name: array.astype(np.float32) for name, array in parameters.items()}
    shape = moved[_LAST_WEIGHT].shape if _LAST_WEIGHT in moved else None
    if shape is None or shape[1] != source.num_classes:
        raise CheckpointError(
            f"cannot move the head: expected {_LAST_WEIGHT} of {source.num_classes} classes, got "
            f"{'none' if shape is None else list(shape)}; give the dictionary it was trained with"
        )
    classes = [0, *(source.class_of.get(character, -1) for character in target.characters)]
    is_known = np.array(classes) >= 0
    weight, bias = moved[_LAST_WEIGHT], moved[_LAST_BIAS]
    moved[_LAST_WEIGHT] = np.where(is_known, weight[:, classes], np.float32(0))
    moved[_LAST_BIAS] = np.where(is_known, bias[classes], bias.min())
    return moved


def write_start(
    checkpoint: Path, network: str, source: Charset, target: Charset, output: Path
) -> Path:
    """Write one network of a checkpoint with its head moved; a file that is there stays.

    Raises:
        CheckpointError: if the checkpoint does not hold that network, or not of `source`.
    """
    if not output.is_file():
        own = network_parameters(read_parameters(checkpoint), network, str(checkpoint))
        write_parameters(output, move_head(own, source, target))
    return output
