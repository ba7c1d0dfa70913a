"""The transforms of a `dataset.transforms` list, by PaddleOCR's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from runtime.detection.preprocess import (
    SIZE_FIELDS,
    LimitType,
    SizePolicy,
    normalize_image,
    resize_image,
)
from runtime.errors import DatasetError
from training.data.decode_image import DecodeImage
from training.data.sample import Draw, Sample
from training.detection.augment.colour import ColorJitter
from training.detection.augment.crop import EastRandomCropData
from training.detection.augment.geometry import IaaAugment, RandomPerspective
from training.detection.augment.paste import CopyPaste
from training.detection.augment.random_crop import RandomCrop
from training.detection.labels import DetLabelEncode
from training.detection.maps import MakeBorderMap, MakeShrinkMap
from training.registry import Registry

TRAINING_KEYS = ("image", "threshold_map", "threshold_mask", "shrink_map", "shrink_mask")
EVALUATION_KEYS = ("image", "shape", "polys", "ignore_tags")


class DetResizeForTest:
    """Resizes an image to a detector's input, and keeps its `shape`; its label stays.

    Args:
        limit_side_len, limit_type, resize_long, image_shape, keep_ratio, max_side_limit: as
            `SizePolicy` has them.

    Source: PaddleOCR `operators.DetResizeForTest`.
    """

    def __init__(
        self,
        limit_side_len: int | None = None,
        limit_type: LimitType = "min",
        resize_long: int | None = None,
        image_shape: Sequence[int] | None = None,
        keep_ratio: bool = False,
        max_side_limit: int = 4000,
    ) -> None:
        self.policy = SizePolicy(
            limit_side_len, limit_type, resize_long, image_shape, keep_ratio, max_side_limit
        )

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report options out of range."""
        return [
            (name, f"expected {field.expected}, got {options[name]!r}")
            for name, field in SIZE_FIELDS.items()
            if name in options and not field.accepts(options[name])
        ]

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Resize a decoded sample."""
        sample.image, sample.values["shape"] = resize_image(sample.image, self.policy)
        return sample


class NormalizeImage:
    """Normalises an image to float32: `(x * scale - mean) / std`.

    Args:
        scale: of the levels; a number, or a quotient such as `1./255.`.
        mean, std: of each channel, in the image's order, which is BGR.
        order: of the image's axes, which is hwc here.

    Source: PaddleOCR `operators.NormalizeImage`, whose default order is chw.
    """

    def __init__(
        self,
        scale: float | str | None = None,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        order: Literal["hwc"] = "hwc",
    ) -> None:
        self.scale = 1 / 255 if scale is None else quotient(scale)
        self.mean = tuple(mean)
        self.std = tuple(std)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a scale that is no number, and channels that are not three."""
        problems = []
        for name in ("mean", "std"):
            values = options.get(name, (1, 1, 1))
            if len(values) != 3 or (name == "std" and 0 in values):
                problems.append((name, f"expected three numbers, std not 0, got {values}"))
        try:
            quotient(options.get("scale") or 1)
        except (ValueError, ZeroDivisionError):
            message = f"expected a number or a quotient such as 1./255., got {options['scale']!r}"
            problems.append(("scale", message))
        return problems

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Normalise the image of a sample, uint8 [h, w, 3], to float32."""
        sample.image = normalize_image(sample.image, self.scale, self.mean, self.std)
        return sample


def quotient(value: float | str) -> float:
    """Return a number, or the value of a text such as `1./255.`; raises ValueError otherwise."""
    if not isinstance(value, str):
        return float(value)
    numerator, _, denominator = value.partition("/")
    return float(numerator) / float(denominator or 1)


class ToCHWImage:
    """Puts the channels first: [h, w, C] to [C, h, w].

    Source: PaddleOCR `operators.ToCHWImage`.
    """

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Reorder the image of a sample."""
        sample.image = np.ascontiguousarray(sample.image.transpose(2, 0, 1))
        return sample


class KeepKeys:
    """The arrays that a batch hands to the loss or to the metric, in order.

    Args:
        keep_keys: in training `image`, `threshold_map`, `threshold_mask`, `shrink_map`,
            `shrink_mask`; in evaluation `image`, `shape`, `polys`, `ignore_tags`.
    """

    def __init__(self, keep_keys: Sequence[str]) -> None:
        self.keep_keys = tuple(keep_keys)

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report keys that neither the losses nor the metric would understand."""
        keys = tuple(options["keep_keys"])
        if keys in (TRAINING_KEYS, EVALUATION_KEYS):
            return []
        orders = ", or ".join(", ".join(order) for order in (TRAINING_KEYS, EVALUATION_KEYS))
        return [("keep_keys", f"expected {orders}; got {', '.join(map(str, keys))}")]

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Drop the values that are not kept; the image stays where it is."""
        try:
            sample.values = {key: sample.values[key] for key in self.keep_keys if key != "image"}
        except KeyError as error:
            raise DatasetError(
                f"{sample.name}: no transform before KeepKeys makes {error}"
            ) from None
        return sample


TRANSFORMS = Registry(
    "transform",
    {
        "DecodeImage": DecodeImage,
        "DetLabelEncode": DetLabelEncode,
        "CopyPaste": CopyPaste,
        "ColorJitter": ColorJitter,
        "IaaAugment": IaaAugment,
        "RandomPerspective": RandomPerspective,
        "EastRandomCropData": EastRandomCropData,
        "RandomCrop": RandomCrop,
        "MakeBorderMap": MakeBorderMap,
        "MakeShrinkMap": MakeShrinkMap,
        "DetResizeForTest": DetResizeForTest,
        "NormalizeImage": NormalizeImage,
        "ToCHWImage": ToCHWImage,
        "KeepKeys": KeepKeys,
    },
)
CROPS = ("EastRandomCropData", "RandomCrop")
_OF_PIXELS = ("ColorJitter", "IaaAugment", "RandomPerspective", "CopyPaste", *CROPS)
_OF_POLYGONS = ("CopyPaste", "IaaAugment", "RandomPerspective", *CROPS)
_MAPS = ("MakeBorderMap", "MakeShrinkMap")
_ORDER = (
    *(("DecodeImage", name) for name in TRANSFORMS.builders if name != "DecodeImage"),
    *(("DetLabelEncode", name) for name in (*_OF_POLYGONS, *_MAPS)),
    *((name, drawn) for name in (*_OF_POLYGONS, "DetResizeForTest") for drawn in _MAPS),
    _MAPS,
    *((name, "NormalizeImage") for name in (*_OF_PIXELS, "DetResizeForTest")),
    ("NormalizeImage", "ToCHWImage"),
    *((name, "KeepKeys") for name in TRANSFORMS.builders if name != "KeepKeys"),
)
"""Pairs of which the first has to come first."""


def problems_of_order(
    entries: Sequence[tuple[str, Mapping[str, Any]]], is_sized: bool
) -> Iterator[str]:
    """Yield what is wrong with a list of transforms, each known by itself.

    Args:
        entries: name and options of each.
        is_sized: whether a sampler decides about the sizes of images.
    """
    names = [str(name) for name, _ in entries]
    listed = ", ".join(names)
    if is_sized:
        yield "a detector's images have the size of their crop: take the sampler out"
    kept = next((options.get("keep_keys") for name, options in entries if name == "KeepKeys"), ())
    is_training = tuple(kept or ()) != EVALUATION_KEYS
    needed: list[tuple[str, ...]] = [("DecodeImage",), ("DetLabelEncode",)]
    needed += [CROPS, *((name,) for name in _MAPS)] if is_training else [("DetResizeForTest",)]
    needed += [("NormalizeImage",), ("ToCHWImage",), ("KeepKeys",)]
    for choices in needed:
        if not set(choices) & set(names):
            yield f"expected {' or '.join(choices)} in the list, got {listed}"
    for first, second in dict.fromkeys(_ORDER):
        if first in names and second in names and names.index(first) > names.index(second):
            yield f"expected {first} before {second}, got it after"
