"""What a user says of a detector whose file does not say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from runtime.detection.boxes import BoxOptions
from runtime.detection.preprocess import SizePolicy
from runtime.detection.spec import CHANNELS, DetectorSpec
from runtime.errors import ArtifactError, ConfigError

_OF_SIZES, _OF_BOXES = ({part.name for part in fields(kind)} for kind in (SizePolicy, BoxOptions))
_WAYS = ("image_shape", "limit_side_len", "resize_long")
"""Options each of which decides the size by itself."""


@dataclass(frozen=True)
class Told:
    """The stated settings of a detector; where one is None, the model or a convention decides.

    Args:
        limit_side_len, limit_type, resize_long, image_shape, max_side_limit: of a `SizePolicy`.
        thresh, box_thresh, max_candidates, unclip_ratio, use_dilation, score_mode, box_type: of
            `BoxOptions`.
        color_order, scale, mean, std: of a `DetectorSpec`; mean and std of each channel, or one
            number for all.
    """

    limit_side_len: int | None = None
    limit_type: str | None = None
    resize_long: int | None = None
    image_shape: tuple[int, ...] | None = None
    max_side_limit: int | None = None
    thresh: float | None = None
    box_thresh: float | None = None
    max_candidates: int | None = None
    unclip_ratio: float | None = None
    use_dilation: bool | None = None
    score_mode: str | None = None
    box_type: str | None = None
    color_order: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def said(self) -> Mapping[str, Any]:
        """The settings that are stated."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def applied(self, spec: DetectorSpec) -> DetectorSpec:
        """Return a spec with what is stated.

        Raises:
            ConfigError: naming what cannot be.
        """
        said = dict(self.said)
        for name in ("mean", "std"):
            if len(said.get(name, ())) == 1:
                said[name] *= CHANNELS
        sizes = {name: said.pop(name) for name in _OF_SIZES & said.keys()}
        boxes = {name: said.pop(name) for name in _OF_BOXES & said.keys()}
        if sizes.keys() & set(_WAYS):
            sizes = {**dict.fromkeys(_WAYS), "keep_ratio": False, **sizes}
        try:
            return replace(
                spec,
                sizes=replace(spec.sizes, **sizes),
                boxes=replace(spec.boxes, **boxes),
                **said,
            )
        except ArtifactError as error:
            raise ConfigError(f"what is said of the model cannot be: {error}") from error
