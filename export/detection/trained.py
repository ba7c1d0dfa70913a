"""A trained text detector's contract with export: its sizes, its normalisation, its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.detection.boxes import BoxOptions
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import DetectorSpec
from runtime.errors import ConfigError
from training.checkpoint.parameters import Parameters
from training.detection.task import DetectionTask
from training.plan import DeployedPlan
from training.registry import Problems

_PROBES_PX = ((1, 64, 64), (2, 64, 96), (1, 128, 160))
"""Pages, and px of height and width: few pixels show what a layer computes as well as many."""
_HEADS = ("head.binarize.conv1.weight",)
_CHANNELS = 3


class TrainedDetector:
    """A `TrainedContract` of text detection.

    Args:
        plan: of the config that was trained.

    Raises:
        ConfigError: if its `PostProcess` section cannot be read.
    """

    probe_shapes: Sequence[tuple[int, int, int, int]] = tuple(
        (num_pages, _CHANNELS, height, width) for num_pages, height, width in _PROBES_PX
    )

    def __init__(self, plan: DeployedPlan) -> None:
        assert isinstance(plan.task, DetectionTask)
        self._plan = plan

    def check_parameters(self, network: str, parameters: Parameters, where: str) -> None:
        """Raise ConfigError if there is no head that marks text."""
        if not any(name in parameters for name in _HEADS):
            raise ConfigError(
                f"{where}: {network} is no detector's network: expected {' or '.join(_HEADS)} "
                "among its names; check --network and --config"
            )

    def spec(self, network: str, width_px: int | None = None) -> DetectorSpec:
        """Return what the exported model will say of itself.

        Args:
            network: its name in the checkpoint.
            width_px: None: a detector takes pages of any size.

        Raises:
            ConfigError: if a width is given.
        """
        if width_px is not None:
            raise ConfigError(
                f"--width {width_px}: a detector's sizes follow from the image: expected no fixed "
                "width; leave it out"
            )
        normalization = self._transform("NormalizeImage")
        decoding = self._plan.evaluation.options_of("DecodeImage") or {}
        return DetectorSpec(
            sizes=self._sizes(),
            boxes=self._boxes(),
            color_order=decoding.get("img_mode", "BGR"),
            scale=normalization.scale,
            mean=tuple(normalization.mean),
            std=tuple(normalization.std),
            network=network,
        )

    def _sizes(self) -> SizePolicy:
        policy: SizePolicy = self._transform("DetResizeForTest").policy
        return policy

    def _boxes(self) -> BoxOptions:
        """Return the options of `PostProcess`, PaddleOCR's defaults where a config has none."""
        config = self._plan.config
        if "PostProcess" not in config.sections:
            return BoxOptions()
        problems = Problems()
        table = self._plan.task.post_processes
        component = table.read(config.sections["PostProcess"], "PostProcess", problems)
        config.raise_problems(problems)
        assert component is not None
        post_process = component.build()
        options: BoxOptions = getattr(post_process, "plain", post_process).options
        return options

    def _transform(self, name: str) -> Any:
        """Build a transform of the `Eval` section.

        Raises:
            ConfigError: if it is not there.
        """
        for component in self._plan.evaluation.transforms:
            if component.name == name:
                return component.build()
        raise ConfigError(
            f"{self._plan.config.path}: Eval.dataset.transforms: expected {name}, which tells how "
            "pages are made ready, got none"
        )
