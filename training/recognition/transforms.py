"""The transforms of a `dataset.transforms` list, by PaddleOCR's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runtime.errors import DatasetError
from runtime.recognition.preprocess import resize_line
from runtime.recognition.spec import BILINEAR, INTERPOLATIONS, WidthPolicy
from training.data.decode_image import DecodeImage
from training.data.sample import Draw, Sample
from training.recognition.augment import BaseDataAugmentation, RecAug, RecConAug
from training.recognition.inputs import InputWidths
from training.recognition.labels import CTCLabelEncode, MultiLabelEncode, decoder_label
from training.registry import Registry

_ORDERS = (
    ("image", "label", "length"),
    ("image", "label_ctc", "label_sar", "length"),
    ("image", "label_ctc", "label_gtc", "length"),
)
"""What batches begin with: for CTC alone, and for CTC with a second decoder."""
_FURTHER = ("label_ace", "valid_ratio")


class RecResizeImg:
    """Resize to the network's height; padding and normalising happen when batches are made.

    Args:
        width_policy: the limit on the width.
        image_shape: [C, H, W]; W is the limit in training.
        eval_mode: whether lines that are padded to one width are not squeezed into it; where
            widths follow the images this is the rule of evaluation anyway.
        interpolation: `bilinear` as in PaddleOCR, which has no such key, or `area`; the exported
            model says it, and is read with it.
    """

    def __init__(
        self,
        width_policy: WidthPolicy,
        image_shape: Sequence[int],
        eval_mode: bool = False,
        interpolation: str = BILINEAR,
    ) -> None:
        self.height = image_shape[1]
        self.width_policy = width_policy
        self.interpolation = interpolation

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report an interpolation that does not exist."""
        got = options.get("interpolation", BILINEAR)
        if got in INTERPOLATIONS:
            return []
        return [("interpolation", f"expected {' or '.join(INTERPOLATIONS)}, got {got!r}")]

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Resize the image of a sample, uint8 [h, w, 3], to [H, content width, 3]."""
        sample.image = resize_line(sample.image, self.height, self.width_policy, self.interpolation)
        return sample


class ResizeToBatch:
    """Resize to the height that the batch has, where a sampler draws heights.

    Args:
        widths: input widths at the width of a scale.

    Source: PaddleOCR `simple_dataset.MultiScaleDataSet`, which resizes before `KeepKeys`.
    """

    def __init__(self, widths: InputWidths) -> None:
        self.widths = widths

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Resize the image of a sample, uint8 [h, w, 3], to [H, content width, 3]."""
        if draw.size is None:
            raise DatasetError(f"{sample.name}: its batch has no size: plan batches by the sampler")
        policy = self.widths.policy(draw.size.width)
        sample.image = resize_line(sample.image, draw.size.height, policy)
        return sample


class KeepKeys:
    """The arrays that a batch hands to the loss, in order.

    Args:
        keep_keys: `image`, `label`, `length` of `CTCLabelEncode`, or `image`, `label_ctc`,
            `label_sar` or `label_gtc`, `length` of `MultiLabelEncode`; then any of `label_ace`
            (of the former alone) and `valid_ratio`.
    """

    def __init__(self, keep_keys: Sequence[str]) -> None:
        self.keep_keys = tuple(keep_keys)
        for _, message in self.problems_of({"keep_keys": keep_keys}):
            raise DatasetError(f"KeepKeys: {message}")

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report an order that no loss would understand."""
        keys = tuple(options["keep_keys"])
        for order in _ORDERS:
            further = _FURTHER if "label" in order else _FURTHER[1:]
            if keys[: len(order)] == order and set(keys[len(order) :]) <= set(further):
                return []
        orders = ", or ".join(", ".join(order) for order in _ORDERS)
        message = f"expected {orders}, then any of {', '.join(_FURTHER)} (label_ace with label)"
        return [("keep_keys", f"{message}; got {', '.join(map(str, keys))}")]

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Return the sample as it is: the keys are kept when batches are made."""
        return sample


TRANSFORMS = Registry(
    "transform",
    {
        "DecodeImage": DecodeImage,
        "RecAug": RecAug,
        "RecConAug": RecConAug,
        "BaseDataAugmentation": BaseDataAugmentation,
        "CTCLabelEncode": CTCLabelEncode,
        "MultiLabelEncode": MultiLabelEncode,
        "RecResizeImg": RecResizeImg,
        "SVTRRecResizeImg": RecResizeImg,
        "KeepKeys": KeepKeys,
    },
    injected=frozenset({"charset", "width_policy", "longest_label", "resize"}),
    unused=frozenset(
        {
            *("infer_mode", "padding", "Image"),
            *("character_dict_path", "use_space_char", "lower"),
        }
    ),
    supplied=frozenset({"max_text_length"}),
)
ENCODES = ("CTCLabelEncode", "MultiLabelEncode")
RESIZES = ("RecResizeImg", "SVTRRecResizeImg")
_AUGMENTATIONS = ("RecAug", "RecConAug", "BaseDataAugmentation")
_ORDER = (
    *(("DecodeImage", name) for name in (*_AUGMENTATIONS, *RESIZES)),
    *((name, resize) for name in _AUGMENTATIONS for resize in RESIZES),
    *(("RecConAug", encode) for encode in ENCODES),
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
    names = [name for name, _ in entries]
    listed = ", ".join(map(str, names))
    for choices in (("DecodeImage",), ENCODES, ("KeepKeys",)):
        if not set(choices) & set(names):
            yield f"expected {' or '.join(choices)} in the list, got {listed}"
    if not is_sized and not set(RESIZES) & set(names):
        yield f"expected {' or '.join(RESIZES)} in the list, or a sampler, got {listed}"
    for first, second in _ORDER:
        if first in names and second in names and names.index(first) > names.index(second):
            yield f"expected {first} before {second}, got it after"
    yield from _problems_of_labels(entries)
    for name, options in entries:
        if name not in RESIZES:
            continue
        if is_sized:
            yield f"the sampler decides about the sizes of images: take {name} out"
        shape = options.get("image_shape")
        if shape is not None and not _is_shape(shape):
            yield f"expected image_shape [3, height, width], got {shape!r}"


def _problems_of_labels(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield what KeepKeys asks for and the label's transform does not make."""
    encodes = [(name, options) for name, options in entries if name in ENCODES]
    if len(encodes) > 1:
        yield f"expected one of {' and '.join(ENCODES)}, got {len(encodes)}"
    kept = next((options.get("keep_keys") for name, options in entries if name == "KeepKeys"), None)
    if not encodes or not isinstance(kept, list) or KeepKeys.problems_of({"keep_keys": kept}):
        return
    ((name, options), *_) = encodes
    made = ["label"] if name == "CTCLabelEncode" else ["label_ctc", decoder_label(options)]
    if [key for key in kept if key in ("label", "label_ctc", "label_sar", "label_gtc")] != made:
        yield f"expected {', '.join(made)} of {name} among keep_keys, got {', '.join(kept)}"


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) == 3
        and all(isinstance(side, int) and side > 0 for side in shape)
        and shape[0] == 3
    )
