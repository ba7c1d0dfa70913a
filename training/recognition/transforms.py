"""The transforms of a `dataset.transforms` list, by PaddleOCR's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from runtime.errors import DatasetError
from runtime.images.read import read_image
from runtime.recognition.charset import Charset
from runtime.recognition.preprocess import resize_line
from runtime.recognition.spec import WidthPolicy
from training.data.sample import Draw, Sample
from training.recognition.augment import BaseDataAugmentation, RecAug, RecConAug
from training.registry import Registry

KEEPABLE = ("image", "label", "length", "label_ace", "valid_ratio")


class DecodeImage:
    """Decodes image files to BGR, by the same reader that serves in production."""

    def __init__(
        self, img_mode: Literal["BGR"] = "BGR", channel_first: Literal[False] = False
    ) -> None:
        pass

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Decode the image of a sample; raises ImageError when it is none."""
        sample.image = read_image(sample.image)
        return sample


class CTCLabelEncode:
    """Encodes text as class indices; a text that cannot be written exactly is refused."""

    def __init__(self, charset: Charset, max_text_length: int) -> None:
        self.charset = charset
        self.max_text_length = max_text_length

    def reason_to_drop(self, text: str) -> str | None:
        """Return why `text`, as `Charset.label_text` gives it, cannot be a label, or None."""
        if not text:
            return "empty label"
        if len(text) > self.max_text_length:
            return "longer than max_text_length"
        return "unknown characters" if self.charset.unknown(text) else None

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Encode the text of a sample; raises DatasetError when it cannot be a label."""
        sample.text = self.charset.label_text(sample.text)
        reason = self.reason_to_drop(sample.text)
        if reason is not None:
            raise DatasetError(f"{sample.name}: {reason}: {sample.text!r}")
        sample.values["label"] = self.charset.encode(sample.text)
        return sample


class RecResizeImg:
    """Resize to the network's height; padding and normalising happen when batches are made.

    Args:
        width_policy: the limit on the width.
        image_shape: [C, H, W]; W is the limit in training.
    """

    def __init__(self, width_policy: WidthPolicy, image_shape: Sequence[int]) -> None:
        self.height = image_shape[1]
        self.width_policy = width_policy

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Resize the image of a sample, uint8 [h, w, 3], to [H, content width, 3]."""
        sample.image = resize_line(sample.image, self.height, self.width_policy)
        return sample


class KeepKeys:
    """The arrays that a batch hands to the loss, in order.

    Args:
        keep_keys: of `KEEPABLE`; `image`, `label`, `length` first.
    """

    def __init__(self, keep_keys: Sequence[str]) -> None:
        self.keep_keys = tuple(keep_keys)
        for _, message in self.problems_of({"keep_keys": keep_keys}):
            raise DatasetError(f"KeepKeys: {message}")

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report an order that no loss would understand."""
        keys = tuple(options["keep_keys"])
        if keys[:3] == KEEPABLE[:3] and set(keys) <= set(KEEPABLE):
            return []
        message = f"expected {', '.join(KEEPABLE[:3])}, then any of {', '.join(KEEPABLE[3:])}"
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
        "RecResizeImg": RecResizeImg,
        "KeepKeys": KeepKeys,
    },
    injected=frozenset({"charset", "width_policy"}),
    unused=frozenset({"infer_mode", "eval_mode", "padding", "character_dict_path", "Image"}),
    supplied=frozenset({"max_text_length"}),
)
_AUGMENTATIONS = ("RecAug", "RecConAug", "BaseDataAugmentation")
_ORDER = (
    *(("DecodeImage", name) for name in (*_AUGMENTATIONS, "RecResizeImg")),
    *((name, "RecResizeImg") for name in _AUGMENTATIONS),
    ("RecConAug", "CTCLabelEncode"),
)
"""Pairs of which the first has to come first."""
_REQUIRED = ("DecodeImage", "CTCLabelEncode", "RecResizeImg", "KeepKeys")


def problems_of_order(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield what is wrong with a list of transforms, each known by itself."""
    names = [name for name, _ in entries]
    for name in _REQUIRED:
        if name not in names:
            yield f"expected {name} in the list, got {', '.join(map(str, names))}"
    for first, second in _ORDER:
        if first in names and second in names and names.index(first) > names.index(second):
            yield f"expected {first} before {second}, got it after"
    shape = next(
        (options.get("image_shape") for name, options in entries if name == "RecResizeImg"), None
    )
    if shape is not None and not _is_shape(shape):
        yield f"expected image_shape [3, height, width], got {shape!r}"


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) == 3
        and all(isinstance(side, int) and side > 0 for side in shape)
        and shape[0] == 3
    )
