"""A trained text recogniser's contract with export: its classes, its input, its spec."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.errors import ConfigError
from runtime.recognition.charset import Charset
from runtime.recognition.spec import RecognizerSpec, WidthPolicy
from training.checkpoint.parameters import Parameters
from training.networks import ALONE, NetworkPlan
from training.plan import DeployedPlan
from training.recognition.fitting import only_size_of
from training.recognition.inputs import deployed_input, resize_of
from training.recognition.start import ctc_bias
from training.recognition.task import RecognitionTask

_PROBES = ((1, 64), (2, 160), (3, 320))
"""Lines and px of width."""


class TrainedRecognizer:
    """A `TrainedContract` of text recognition.

    Args:
        plan: of the config that was trained.
    """

    def __init__(self, plan: DeployedPlan) -> None:
        assert isinstance(plan.task, RecognitionTask)
        self._task, self._networks = plan.task, plan.model.networks
        self.height, self.width = deployed_input(plan.evaluation)
        self.resize = resize_of(plan.evaluation)

    def _plan_of(self, network: str) -> NetworkPlan:
        """Return the plan of a network; one that is the whole model has any name."""
        return self._networks.get(network) or self._networks[ALONE]

    def _charset(self, network: str) -> Charset:
        return self._task.charset_of(self._plan_of(network))

    def check_parameters(self, network: str, parameters: Parameters, where: str) -> None:
        """Raise ArtifactError if the head has another number of classes than the dictionary."""
        name = ctc_bias(parameters)
        if name is not None:
            self._charset(network).check_head(int(parameters[name].shape[0]), where)
            return
        raise ConfigError(
            "the checkpoint has no CTC head: expected head.fc.bias, head.fc2.bias, or the same "
            "below head.ctc_head, among its names"
        )

    @property
    def probe_shapes(self) -> Sequence[tuple[int, int, int, int]]:
        """[N, C, H, W] of lines of several widths, as far as the networks read several."""
        sizes = [only_size_of(network) for network in self._networks.values()]
        width = next((_fixed(size.width) for size in sizes if size is not None), self.width)
        return [
            (num_lines, 3, self.height, width.input_width(width_px))
            for num_lines, width_px in _PROBES
        ]

    def spec(self, network: str, width_px: int | None = None) -> RecognizerSpec:
        """Return what the exported model will say of itself.

        Args:
            network: its name in the checkpoint.
            width_px: W where it is fixed.

        Raises:
            ConfigError: if the network reads one width alone, and that is another or open.
        """
        width = self.width if width_px is None else _fixed(width_px)
        size = only_size_of(self._plan_of(network))
        if size is not None and {width.min_px, width.max_px} != {size.width}:
            raise ConfigError(
                f"{network} embeds positions, and reads lines of {size.height} x {size.width} px "
                f"alone: expected that width, got {width.min_px} to {width.max_px} px; give "
                f"--width {size.width}"
            )
        return RecognizerSpec(
            characters=self._charset(network).characters,
            height=self.height,
            width=width,
            resize=self.resize,
            network=network,
        )


def _fixed(width_px: int) -> WidthPolicy:
    """Return the policy of a network that reads one width alone."""
    return WidthPolicy(width_px, width_px, width_px)
