"""Text to class indices: for CTC alone, or for CTC and a second decoder that guides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from runtime.errors import DatasetError
from runtime.recognition.charset import Charset
from training.data.sample import Draw, Sample

_MARKS = 2
"""A decoder's label has a mark before the text, and another behind it."""
_CTC_NAMES = ("label", "label_ctc")


def ctc_label(values: Mapping[str, Any]) -> Any:
    """Return the label that CTC learns, of a sample or a batch, under either of its names."""
    return next(values[name] for name in _CTC_NAMES if name in values)


def padded_labels(labels: Sequence[Sequence[int]], length: int | None = None) -> NDArray[np.int64]:
    """Pad labels with 0 to L, the longest of them where `length` is None: int64 [N, L]."""
    padded = np.zeros((len(labels), length or max(map(len, labels))), np.int64)
    for row, label in zip(padded, labels, strict=True):
        row[: len(label)] = label
    return padded


class LabelEncode(Protocol):
    """A transform that encodes text."""

    @property
    def longest(self) -> int:
        """Characters of the longest text that it takes."""

    def reason_to_drop(self, text: str) -> str | None:
        """Return why `text`, as `Charset.label_text` gives it, cannot be a label, or None."""

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Encode the text of a sample."""


class CTCLabelEncode:
    """Encodes text as class indices; a text that cannot be written exactly is refused.

    Args:
        charset: K - 1 characters.
        max_text_length: of the longest text, in characters.
    """

    def __init__(self, charset: Charset, max_text_length: int) -> None:
        self.charset = charset
        self.max_text_length = max_text_length

    @property
    def longest(self) -> int:
        """Characters of the longest text that it takes."""
        return self.max_text_length

    def reason_to_drop(self, text: str) -> str | None:
        """Return why `text`, as `Charset.label_text` gives it, cannot be a label, or None."""
        if not text:
            return "empty label"
        if len(text) > self.max_text_length:
            return "longer than max_text_length"
        return "unknown characters" if self.charset.unknown(text) else None

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Encode the text of a sample as `label`; raises DatasetError when it cannot be one."""
        sample.text = _checked(self, self.charset, sample)
        sample.values["label"] = self.charset.encode(sample.text)
        return sample


class SARLabelEncode:
    """Encodes text for a SAR decoder.

    Of K classes of CTC the characters are 0 .. K - 2 here, K - 1 stands for an unknown one, K
    begins and ends a text, K + 1 pads it.

    Args:
        charset: K - 1 characters.

    Source: PaddleOCR `label_ops`.
    """

    def __init__(self, charset: Charset) -> None:
        self.charset = charset

    def encode(self, text: str, width: int) -> NDArray[np.int64]:
        """Return the classes of `text` between its marks, padded: int64 [width]."""
        mark = self.charset.num_classes
        classes = [index - 1 for index in self.charset.encode(text)]
        return _padded([mark, *classes, mark], width, mark + 1)


class NRTRLabelEncode:
    """Encodes text for an NRTR decoder.

    0 pads, 1 stands for an unknown character, 2 begins and 3 ends a text; the characters are
    4 .. K + 2.

    Args:
        charset: K - 1 characters.

    Source: PaddleOCR `label_ops`.
    """

    def __init__(self, charset: Charset) -> None:
        self.charset = charset

    def encode(self, text: str, width: int) -> NDArray[np.int64]:
        """Return the classes of `text` between its marks, padded: int64 [width]."""
        classes = [index + 3 for index in self.charset.encode(text)]
        return _padded([2, *classes, 3], width, 0)


_DECODERS: Mapping[str, type[SARLabelEncode] | type[NRTRLabelEncode]] = {
    "SARLabelEncode": SARLabelEncode,
    "NRTRLabelEncode": NRTRLabelEncode,
}


class MultiLabelEncode:
    """Encodes text for CTC and for a second decoder.

    The labels are `label_ctc`, `length` and, for the second decoder, `label_sar`, or `label_gtc`
    where `gtc_encode` names one. They are as long as `max_text_length`, which leaves the second
    decoder room for texts that are two characters shorter: longer ones are dropped, as PaddleOCR
    drops them.

    Args:
        charset: K - 1 characters.
        max_text_length: of the labels, in characters; PaddleOCR takes `Global.max_text_length`
            even where the transform has its own.
        gtc_encode: labels of the second decoder; `SARLabelEncode` where None.
        keep_longest: keep texts of up to `max_text_length` characters: `label_sar` or `label_gtc`
            is then two longer. PaddleOCR has no such option.

    Source: PaddleOCR `label_ops`.
    """

    def __init__(
        self,
        charset: Charset,
        max_text_length: int,
        gtc_encode: Literal["SARLabelEncode", "NRTRLabelEncode"] | None = None,
        keep_longest: bool = False,
    ) -> None:
        self.charset = charset
        self.max_text_length = max_text_length
        self._ctc = CTCLabelEncode(charset, max_text_length)
        self._decoder = _DECODERS[gtc_encode or "SARLabelEncode"](charset)
        self._decoder_width = max_text_length + (_MARKS if keep_longest else 0)
        self.decoder_label = decoder_label({"gtc_encode": gtc_encode})

    @staticmethod
    def problems_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Report a length that leaves no room for any text."""
        length = options.get("max_text_length", _MARKS + 1)
        if length > _MARKS:
            return []
        return [("max_text_length", f"expected at least {_MARKS + 1}, got {length}")]

    @property
    def longest(self) -> int:
        """Characters of the longest text that it takes."""
        return self._decoder_width - _MARKS

    def reason_to_drop(self, text: str) -> str | None:
        """Return why `text`, as `Charset.label_text` gives it, cannot be a label, or None."""
        reason = self._ctc.reason_to_drop(text)
        if reason is None and len(text) > self.longest:
            decoder = type(self._decoder).__name__
            return f"longer than {self.longest}, the most that {decoder} takes"
        return reason

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        """Encode the text of a sample; raises DatasetError when it cannot be a label."""
        sample.text = text = _checked(self, self.charset, sample)
        sample.values["label_ctc"] = self.charset.encode(text)
        sample.values[self.decoder_label] = self._decoder.encode(text, self._decoder_width)
        return sample


def decoder_label(options: Mapping[str, Any]) -> str:
    """Return the name of the second decoder's label, by the options of `MultiLabelEncode`."""
    return "label_sar" if options.get("gtc_encode") is None else "label_gtc"


def _checked(encode: LabelEncode, charset: Charset, sample: Sample) -> str:
    """Return the text of a sample as it is learnt; raises DatasetError when it cannot be."""
    text = charset.label_text(sample.text)
    reason = encode.reason_to_drop(text)
    if reason is not None:
        raise DatasetError(f"{sample.name}: {reason}: {text!r}")
    return text


def _padded(classes: list[int], width: int, padding: int) -> NDArray[np.int64]:
    label = np.full(width, padding, np.int64)
    label[: len(classes)] = classes
    return label


def label_encode_of(transforms: Sequence[object]) -> LabelEncode:
    """Return the transform that encodes labels."""
    return next(
        transform
        for transform in transforms
        if isinstance(transform, CTCLabelEncode | MultiLabelEncode)
    )
