"""The operations of a paddle network as it is deployed, whose weights are its parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import paddle

from export.conversion.program import trace
from export.reversal.operations import Kind, Operation, Weight
from runtime.errors import ConfigError
from training.network import Network

_PARAMETER, _COMBINE = "builtin.parameter", "builtin.combine"
_KINDS: Mapping[str, Kind] = {
    "conv2d": "conv",
    "depthwise_conv2d": "conv",
    "conv2d_transpose": "transposed",
    "depthwise_conv2d_transpose": "transposed",
    "matmul": "product",
    "linear": "product",
    "add": "sum",
    "multiply": "scale",
    "batch_norm": "batch_norm",
    "batch_norm_": "batch_norm",
    "layer_norm": "layer_norm",
    "rnn": "lstm",
}
_PASSING = ("reshape", "squeeze", "unsqueeze", "transpose", "assign", "share_data_", "flatten")
_OF_AN_LSTM = re.compile(r"((?:weight|bias)_[ih]h)_l(\d+)(_reverse)?$")
_OF_NORM = {"weight": "scale", "bias": "shift", "_mean": "mean", "_variance": "variance"}
_ROLES: Mapping[str, Mapping[str, str]] = {
    "conv": {"weight": "kernel"},
    "transposed": {"weight": "kernel"},
    "product": {"weight": "kernel", "bias": "bias"},
    "batch_norm": _OF_NORM,
    "layer_norm": _OF_NORM,
}
"""Last word of a parameter's name -> its role; of what is added or scaled it is the operation's."""


def operations_of(network: Network, shape: Sequence[int | None]) -> tuple[list[Operation], Any]:
    """Trace a network in evaluation and list its operations in the order in which they run.

    Args:
        network: as it is deployed; its parameters have names of their own.
        shape: of its input.

    Returns:
        the operations, their weights named as in the network's state, and the output's value.

    Raises:
        ConfigError: if it has a layer whose weights cannot be told.
    """
    traced = trace(network, shape)  # its program lives as long as it does
    program = traced.forward.concrete_program
    names = {tensor.name: name for name, tensor in reversed(network.state_dict().items())}
    arrays = {tensor.name: tensor for tensor in network.state_dict().values()}
    reader = _Reader(names, arrays)
    operations = list(reader.operations(program.main_program.global_block()))
    (output,) = (value.id for value in program.outputs)
    return operations, output


class _Reader:
    """Reads operations of a program.

    Args:
        names: paddle's name of a parameter -> its name in the network.
        tensors: paddle's name of a parameter -> it.
    """

    def __init__(self, names: Mapping[str, str], tensors: Mapping[str, paddle.Tensor]) -> None:
        self._names, self._tensors = names, tensors

    def operations(self, block: Any) -> Iterator[Operation]:
        for operation in block.ops:
            if operation.name() in (_PARAMETER, _COMBINE):
                continue
            weights: list[Weight] = []
            inputs = []
            for value in _values(operation):
                weight = self._weight(value)
                if weight is None:
                    inputs.append(value.id)
                else:
                    weights.append(weight)
            outputs = tuple(value.id for value in operation.results())
            word = operation.name().removeprefix("pd_op.")
            if weights and word in _PASSING:  # a parameter in another shape
                continue
            kind: Kind = "pass" if word in _PASSING else _KINDS.get(word, "")
            if kind == "lstm":
                yield from _lstms(inputs, outputs, weights)
            else:
                yield Operation(kind, tuple(inputs), outputs, _roles(kind, word, weights))

    def _weight(self, value: Any) -> Weight | None:
        """Return the parameter that a value is, whatever reshaped it."""
        maker = value.get_defining_op()
        while maker is not None and maker.name() != _PARAMETER:
            if maker.name().removeprefix("pd_op.") not in _PASSING:
                return None
            maker = maker.operand_source(0).get_defining_op()
        name = "" if maker is None else maker.attrs()["parameter_name"]
        if name not in self._names:  # or what an LSTM keeps besides its weights
            return None
        return Weight(self._names[name], self._tensors[name].numpy())


def _roles(kind: Kind, word: str, weights: Sequence[Weight]) -> dict[str, Weight]:
    """Name the parameters of an operation by what they do in it."""
    roles = {}
    for weight in weights:
        last = weight.name.rpartition(".")[2]
        if kind in ("sum", "scale"):
            role = "shift" if kind == "sum" else "scale"
        else:
            role = _ROLES.get(kind, {}).get(last, "")
        if not role:
            raise ConfigError(
                f"{weight.name}: the layer {word} cannot be found again in an ONNX file: expected "
                "convolutions, linear layers, LSTM and normalisation"
            )
        roles[role] = weight
    return roles


def _lstms(
    inputs: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Weight]
) -> Iterator[Operation]:
    """Take the layers of paddle's LSTM, which is one operation, apart."""
    layers: dict[int, dict[str, Weight]] = {}
    for weight in weights:
        match = _OF_AN_LSTM.search(weight.name)
        if match is None:
            raise ConfigError(f"{weight.name}: expected a weight of an LSTM")
        layers.setdefault(int(match[2]), {})[match[1] + (match[3] or "")] = weight
    for number in sorted(layers):
        is_last = number == max(layers)
        made = tuple(outputs) if is_last else ((outputs[0], number),)
        yield Operation("lstm", tuple(inputs), made, layers[number])
        inputs = made


def _values(operation: Any) -> Iterator[Any]:
    """Yield what an operation takes, lists of values one by one."""
    for index in range(operation.num_operands()):
        value = operation.operand_source(index)
        maker = value.get_defining_op()
        if maker is not None and maker.name() == _COMBINE:
            yield from _values(maker)
        elif maker is not None:
            yield value
