"""Settings that a user states for a model whose file lacks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runtime.errors import ConfigError
from runtime.fields import choice, number, optional, shown, text, whole
from runtime.recognition.spec import INTERPOLATIONS, MAX_HEIGHT_PX

BLANKS = ("first", "last")
LAYOUTS = ("NTK", "TNK", "NKT", "TKN", "KNT", "KTN")
"""Orders that the output's dimensions may have: N batch, T time steps, K classes."""

FIELDS = {
    "blank": choice(*BLANKS),
    "has_space": choice(False, True),
    "layout": choice(*LAYOUTS),
    "height_px": whole(1, MAX_HEIGHT_PX),
    "color_order": choice("BGR", "RGB"),
    "mean": number(-1e6, 1e6),
    "std": number(1e-6, 1e6),
    "output_name": text(shortest=1),
    "resize": choice(*INTERPOLATIONS),
}
"""What each setting may be."""
_OPTIONS = {"has_space": "--space or --no-space", "height_px": "--height"}


@dataclass(frozen=True)
class Told:
    """The stated settings of a model; where one is None, the model or a convention decides.

    Args:
        blank: which class the CTC blank is, `first` or `last`.
        has_space: whether the space is a class of its own after the listed characters.
        layout: order of the output's dimensions, one of `LAYOUTS`.
        height_px: H, where the model does not fix it.
        color_order: `BGR` or `RGB`.
        mean, std: normalisation `(x / 255 - mean) / std`.
        output_name: of the output with the scores, where there are several.
        resize: how lines are brought to the network's height, one of `INTERPOLATIONS`.

    Raises:
        ConfigError: naming the option whose value is invalid.
    """

    blank: str | None = None
    has_space: bool | None = None
    layout: str | None = None
    height_px: int | None = None
    color_order: str | None = None
    mean: float | None = None
    std: float | None = None
    output_name: str | None = None
    resize: str | None = None

    def __post_init__(self) -> None:
        for name, field in FIELDS.items():
            value = getattr(self, name)
            if not optional(field).accepts(value):
                option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
                raise ConfigError(f"{option}: expected {field.expected}, got {shown(value)}")

    @property
    def said(self) -> Mapping[str, Any]:
        """The settings that are stated."""
        return {name: value for name, value in asdict(self).items() if value is not None}
