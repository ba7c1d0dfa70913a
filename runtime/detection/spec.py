"""What a detector expects and emits, written into the model file itself.

The ONNX metadata carries it under `detector_spec` as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from runtime.detection.boxes import BoxOptions
from runtime.detection.preprocess import SizePolicy
from runtime.errors import ArtifactError
from runtime.fields import Field, check_fields, choice, mapping, number, shown
from runtime.spec import MODEL_FIELDS, REMEDY, ModelSpec

CHANNELS = 3
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""PaddleOCR takes these, made for RGB, for BGR too."""


def _for_channels(of_each: Field) -> Field:
    def accepts(value: Any) -> bool:
        is_one_each = isinstance(value, tuple) and len(value) == CHANNELS
        return is_one_each and all(map(of_each.accepts, value))

    return Field(f"for each of {CHANNELS} channels {of_each.expected}", accepts)


_SPEC_FIELDS = {
    "color_order": choice("BGR", "RGB"),
    "scale": number(1e-9, 1e6),
    "mean": _for_channels(number(-1e6, 1e6)),
    "std": _for_channels(number(1e-6, 1e6)),
    **MODEL_FIELDS,
}
_NESTED: Mapping[str, type[Any]] = {"sizes": SizePolicy, "boxes": BoxOptions}


@dataclass(frozen=True)
class DetectorSpec(ModelSpec):
    """Contract between a detector and whoever feeds it.

    Dimension letters: N batch, C channels, H height, W width; H and W are multiples of 32 px. The
    input is float32 [N, 3, H, W]; the output float32 [N, 1, H, W], how probable it is that a pixel
    lies in the shrunken inside of a text line.

    Args:
        sizes: how the input size follows from an image's.
        boxes: how boxes are made of the output.
        color_order: `BGR` or `RGB`.
        scale, mean, std: normalisation `(x * scale - mean) / std`, mean and std of each channel in
            the order of `color_order`.
    """

    task: ClassVar[str] = "det"
    title: ClassVar[str] = "detector"
    key: ClassVar[str] = "detector_spec"
    dimensions: ClassVar[tuple[str, str]] = ("NCHW", "NCHW")
    fields: ClassVar = _SPEC_FIELDS

    sizes: SizePolicy = field(default_factory=SizePolicy)
    boxes: BoxOptions = field(default_factory=BoxOptions)
    output_name: str = field(default="probabilities", kw_only=True)
    color_order: str = "BGR"
    scale: float = 1 / 255
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, kind in _NESTED.items():
            if not isinstance(vars(self)[name], kind):
                raise ArtifactError(
                    f"the detector spec is unusable: {name}: expected a {kind.__name__}, got "
                    f"{shown(vars(self)[name])}; {REMEDY}"
                )

    @property
    def input_sizes(self) -> tuple[int | None, ...]:
        """C; H and W follow from the image."""
        return CHANNELS, None, None

    @classmethod
    def _from_json(cls, known: dict[str, Any], damaged: str) -> dict[str, Any]:
        given = {name: known[name] for name in _NESTED if name in known}
        check_fields(given, {name: mapping() for name in given}, damaged, REMEDY)
        nested = {name: _known(_NESTED[name], said) for name, said in given.items()}
        listed = {
            name: known[name] for name in ("mean", "std") if isinstance(known.get(name), list)
        }
        return {**known, **nested, **{name: tuple(values) for name, values in listed.items()}}


def _known(kind: type[Any], said: Mapping[str, Any]) -> Any:
    """Make an object of the fields that its kind knows; JSON has lists for tuples."""
    given = {part.name: said[part.name] for part in fields(kind) if part.name in said}
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return kind(**{**given, **lists})
