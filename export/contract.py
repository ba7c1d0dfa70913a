"""What export asks of a task, and which contract serves which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from export.recognition.contract import RecognitionContract
from runtime.recognition.spec import RecognizerSpec
from training.checkpoint.parameters import Parameters
from training.plan import DeployedPlan


class Contract(Protocol):
    """What a task says of the networks of one config that are exported."""

    def check_parameters(self, parameters: Parameters, where: str) -> None:
        """Raise ArtifactError if a checkpoint's head does not fit the config."""

    @property
    def probe_shapes(self) -> Sequence[tuple[int, int, int, int]]:
        """[N, C, H, W] of the inputs on which a stripped network is held against the whole."""

    def spec(self, network: str, width_px: int | None = None) -> RecognizerSpec:
        """Return what the exported model will say of itself; hashes and parity come later."""


CONTRACTS = {"rec": RecognitionContract}


def contract_of(plan: DeployedPlan) -> Contract:
    """Return the contract of a config's task."""
    return CONTRACTS[plan.task.model_type](plan)
