"""A network as operations and as layers with weights, whatever form it was read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

Kind = Literal[
    "",
    "pass",
    "conv",
    "transposed",
    "product",
    "sum",
    "scale",
    "affine",
    "batch_norm",
    "layer_norm",
    "lstm",
]
"""`pass` hands its values on in another shape, `` has no weights."""
NORM = ("mean", "variance", "scale", "shift")


@dataclass(frozen=True)
class Weight:
    """Values that an operation has of its own.

    Args:
        name: in the form that it was read from.
        array: float.
    """

    name: str
    array: NDArray[Any]


@dataclass(frozen=True)
class Operation:
    """One operation of a network.

    Args:
        kind: what it does.
        inputs: values that it takes, its weights left out.
        outputs: values that it makes.
        weights: by their roles, e.g. `kernel` and `bias`.
    """

    kind: Kind
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    weights: Mapping[str, Weight]


@dataclass(frozen=True)
class Layer:
    """Operations that a network's author wrote as one layer, a BatchNorm behind it included.

    Args:
        kind: of the first.
        weights: by their roles: `kernel`, `bias`, and those of `NORM`; an LSTM's by paddle's names.
    """

    kind: Kind
    weights: Mapping[str, Weight]

    @property
    def has_norm(self) -> bool:
        """Tell whether it holds a BatchNorm."""
        return "mean" in self.weights

    def __str__(self) -> str:
        main = next(iter(self.weights.values()))
        return f"{self.kind} {main.name} {list(main.array.shape)}"


def by_flow(operations: Sequence[Operation], output: Any) -> list[Operation]:
    """Order operations as the output needs them, so that equal networks have equal orders.

    Args:
        operations: of a network, each after those it needs.
        output: the value that is wanted.
    """
    makers = {value: operation for operation in operations for value in operation.outputs}
    ordered: list[Operation] = []
    seen: set[Any] = set()
    # Of each value that is wanted, whether what makes it is in order already.
    waiting = [(output, False)]
    while waiting:
        value, is_ready = waiting.pop()
        maker = makers.get(value)
        if maker is None:
            continue
        if is_ready:
            ordered.append(maker)
        elif maker.outputs[0] not in seen:
            seen.add(maker.outputs[0])
            waiting.append((value, True))
            waiting += [(taken, False) for taken in reversed(maker.inputs)]
    return ordered


def layers_of(operations: Sequence[Operation]) -> list[Layer]:
    """Join operations to layers, in the order of their first operations.

    Single numbers that are multiplied or added alone are constants of the network, not weights.
    """
    return list(_Joining(operations).layers())


class _Joining:
    """Joins a bias and a BatchNorm to the operation before them, if it is read by them alone."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._takers: dict[Any, list[Operation]] = {}
        for operation in operations:
            for value in operation.inputs:
                self._takers.setdefault(value, []).append(operation)
        self._joined: set[int] = set()

    def layers(self) -> Iterator[Layer]:
        for operation in self._operations:
            if operation.weights and id(operation) not in self._joined:
                layer = self._layer_from(operation)
                if layer is not None:
                    yield layer

    def _layer_from(self, first: Operation) -> Layer | None:
        if first.kind in ("conv", "transposed", "product"):
            return self._multiplying(first)
        if first.kind != "scale":
            return None if _is_single(first) else Layer(first.kind, first.weights)
        behind = self._behind(first)
        if behind is None or behind.kind != "sum" or not behind.weights:
            return None if _is_single(first) else Layer("scale", first.weights)
        shift = behind.weights["shift"]
        if shift.array.size != first.weights["scale"].array.size:
            return None if _is_single(first) else Layer("scale", first.weights)
        self._joined.add(id(behind))
        kind: Kind = "affine" if _is_single(first) else "layer_norm"
        return Layer(kind, {**first.weights, "shift": shift})

    def _multiplying(self, first: Operation) -> Layer:
        weights, last = dict(first.weights), first
        behind = self._behind(last)
        if "bias" not in weights and behind is not None and behind.kind == "sum":
            shift = behind.weights.get("shift")
            if shift is not None and shift.array.size == _num_outputs(first):
                weights["bias"], last = shift, behind
                self._joined.add(id(behind))
                behind = self._behind(last)
        if behind is not None and behind.kind == "batch_norm":
            self._joined.add(id(behind))
            weights |= behind.weights
        return Layer(first.kind, weights)

    def _behind(self, operation: Operation) -> Operation | None:
        """Return what alone takes an operation's output, whatever shape it is given first."""
        while True:
            takers = self._takers.get(operation.outputs[0], [])
            if len(takers) != 1:
                return None
            operation = takers[0]
            if operation.kind != "pass":
                return operation


def _num_outputs(operation: Operation) -> int:
    axis = {"conv": 0, "transposed": 1, "product": -1}[operation.kind]
    return int(operation.weights["kernel"].array.shape[axis])


def _is_single(operation: Operation) -> bool:
    """Tell whether an operation multiplies or adds one number alone."""
    if operation.kind not in ("scale", "sum"):
        return False
    return next(iter(operation.weights.values())).array.size == 1
