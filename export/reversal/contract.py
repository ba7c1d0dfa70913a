"""What the way back asks of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from export.contract import CONTRACTS
from export.reversal.matching import Classes
from runtime.errors import ConfigError
from runtime.spec import ModelSpec

if TYPE_CHECKING:
    import paddle

    from training.plan import DeployedPlan

Image = NDArray[np.uint8]
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Difference:
    """How far what a network emits is from what a model file does.

    Args:
        largest: of any probability.
        num_places: time steps or pixels that were compared.
        num_left_out: those that were not, because the file sees there what the network has not.
        largest_in_single: the same in FP32 on the images that had to be compared in float64; 0.0
            without any.
    """

    largest: float
    num_places: int
    num_left_out: int = 0
    largest_in_single: float = 0.0


def badness(value: float) -> tuple[bool, float]:
    """Return what differences are sorted by: what is no number is worse than any."""
    return value != value, value


class ReversedContract(Protocol):
    """What a task says of a network that is taken back from a model file."""

    @property
    def default_count(self) -> int:
        """How many images statistics are measured on where nothing is said."""

    @property
    def classes(self) -> Classes | None:
        """What the network's classes are in the file; None for a task without classes."""

    @property
    def dictionary(self) -> Sequence[str]:
        """Lines of a dictionary of the network's classes; empty for a task without classes."""

    @property
    def absent(self) -> Sequence[str]:
        """Names of the classes that the file has not."""

    def training_input(self, image: Image) -> Values:
        """Make one image, BGR uint8 [h, w, 3], ready as training sees it: [C, H, W]."""

    def expected(self, emitted: Values) -> Values:
        """Return what the file emits as probabilities of the network's classes, 0 if absent."""

    def difference(self, expected: Values, got: Values) -> Difference:
        """Compare what is expected of images with what the network emits, in the common classes."""

    def loss(self, got: paddle.Tensor, expected: Values) -> paddle.Tensor:
        """Return by how much the network misses what is expected, a mean over all places."""


def reversed_contract(plan: DeployedPlan, network: str, spec: ModelSpec) -> ReversedContract:
    """Return the contract of one network and the file that it is taken from.

    Args:
        plan: of the config.
        network: its name there, empty for one by itself.
        spec: of the file.

    Raises:
        ConfigError: if file and config are of different tasks, or see images in different ways.
    """
    task = plan.task.model_type
    if spec.task != task:
        raise ConfigError(
            f"{plan.config.path}: Architecture.model_type is {task}, the model file a {spec.title} "
            f"({spec.task}): expected the same; give the config of this model"
        )
    row = CONTRACTS[task].reversed
    if row is None:
        raise ConfigError(f"a {spec.title} cannot be taken back: expected a task that can")
    module, name = row
    contract: ReversedContract = getattr(import_module(module), name)(plan, network, spec)
    return contract


def check_alike(own: ModelSpec, given: ModelSpec, names: Sequence[str], config: Any) -> None:
    """Refuse a config that feeds its network otherwise than the file's is fed.

    Args:
        own: what the config says of its network.
        given: what the file says, or is taken for.
        names: fields that have to be equal.
        config: path of the config.

    Raises:
        ConfigError: naming both.
    """
    for name in names:
        ours, theirs = vars(own)[name], vars(given)[name]
        numbers = np.ravel(ours), np.ravel(theirs)
        is_equal = ours == theirs
        if not is_equal and numbers[0].dtype.kind == "f" and numbers[0].shape == numbers[1].shape:
            is_equal = bool(np.allclose(*numbers, rtol=1e-6))
        if not is_equal:
            raise ConfigError(
                f"{config}: the network would see other images than the file's: {name}: expected "
                f"{theirs} as in the file, got {ours}; change the config's transforms, or, if the "
                "file says nothing of it, tell it: python -m export adopt --help"
            )
