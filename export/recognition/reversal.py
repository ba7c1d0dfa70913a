"""What text recognition says of a network that is taken back from a model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import paddle

from export.recognition.trained import TrainedRecognizer
from export.reversal.contract import Difference, Image, Values, badness, check_alike
from export.reversal.matching import Classes
from runtime.recognition.charset import SPACE
from runtime.recognition.ctc import softmax
from runtime.recognition.preprocess import batch_from_lines, prepare_line
from runtime.recognition.spec import RecognizerSpec, WidthPolicy
from training.plan import DeployedPlan
from training.recognition.fitting import only_size_of
from training.recognition.task import RecognitionTask

_AGREED = ("height", "channels", "color_order", "mean", "std")
_WIDTH_IN_HEIGHTS, _STEP_PX = 20 / 3, 32
"""PaddleOCR trains on 48 x 320 px."""
_LEAST_SHARE = 0.5
"""A time step at which the file gives more than half to characters that the network has not says
nothing of the others."""
_TINY = 1e-12


class ReversedRecognizer:
    """A `ReversedContract` of text recognition.

    Args:
        plan: of the config.
        network: its name there, empty for one by itself.
        spec: of the file.
    """

    default_count = 64

    def __init__(self, plan: DeployedPlan, network: str, spec: RecognizerSpec) -> None:
        assert isinstance(plan.task, RecognitionTask)
        size = only_size_of(plan.model.networks[network])
        own = TrainedRecognizer(plan).spec(network, None if size is None else size.width)
        check_alike(own, spec, _AGREED, plan.config.path)
        self._given, self._characters = spec, own.characters
        width = round(own.height * _WIDTH_IN_HEIGHTS / _STEP_PX) * _STEP_PX
        width = max(_STEP_PX, width) if size is None else size.width
        self._width = width
        self._own = replace(own, width=WidthPolicy(1, 1, max(width, own.width.max_px)))

    @cached_property
    def classes(self) -> Classes:
        """The file's class of each of the network's, by character."""
        given = self._given
        if self._characters == given.characters:
            rows = np.arange(given.num_classes)
        else:
            class_of = given.charset.class_of
            rows = np.array([0, *(class_of.get(name, -1) for name in self._characters)])
        return Classes(rows.astype(np.int64), given.num_classes)

    @property
    def dictionary(self) -> Sequence[str]:
        """The characters; a space at their end is left to `Global.use_space_char`."""
        characters = self._characters
        return characters[:-1] if characters[-1:] == (SPACE,) else characters

    @property
    def absent(self) -> Sequence[str]:
        """Characters of the config that the file has not."""
        rows = self.classes.rows[1:]
        return [name for name, row in zip(self._characters, rows, strict=True) if row < 0]

    def training_input(self, image: Image) -> Values:
        """Bring a line to the height, cut it at W, pad it on the right: [C, H, W]."""
        width, own = self._width, self._own
        line = np.ascontiguousarray(prepare_line(image, own)[:, :width])
        (values,) = batch_from_lines([line], width, own.mean, own.std)
        return values

    def expected(self, emitted: Values) -> Values:
        """Return what the file emits as probabilities of the network's classes, 0 if absent."""
        is_softmax = self._given.output_activation == "softmax"
        values = emitted if is_softmax else softmax(emitted)
        rows = self.classes.rows
        if rows.size == values.shape[-1] and (rows == np.arange(rows.size)).all():
            return values
        return np.where(rows >= 0, values[..., np.maximum(rows, 0)], np.float32(0))

    def difference(self, expected: Values, got: Values) -> Difference:
        """Compare probabilities, [N, T, K], as shares of the classes that both have."""
        known = np.flatnonzero(self.classes.rows >= 0)
        largest, num_places = 0.0, 0
        for wanted, emitted in zip(expected, got, strict=True):  # line by line, to bound memory
            ours, theirs = np.float64(emitted[:, known]), np.float64(wanted[:, known])
            share, own_share = theirs.sum(1, keepdims=True), ours.sum(1, keepdims=True)
            told = share[:, 0] >= _LEAST_SHARE
            apart = np.abs(theirs / np.maximum(share, _TINY) - ours / np.maximum(own_share, _TINY))
            largest = max(largest, float(apart[told].max(initial=0.0)), key=badness)
            num_places += int(told.sum())
        return Difference(largest, num_places, expected.shape[0] * expected.shape[1] - num_places)

    def loss(self, got: paddle.Tensor, expected: Values) -> paddle.Tensor:
        """Return the mean cross entropy against the best class of every time step."""
        best = paddle.to_tensor(expected.argmax(axis=-1)[..., np.newaxis])
        return -paddle.take_along_axis(got, best, axis=-1).clip(min=_TINY).log().mean()
