"""Maps the classes of a network with a dictionary of its own to those of the run, by character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from runtime.recognition.charset import Charset

_ABSENT = 20.0
"""A class that the network lacks gets its least logit less this: a probability of nothing."""
NONE = -1
"""Stands for the class of a character that a dictionary lacks."""
_CTC_SPECIAL, _NRTR_SPECIAL = 1, 4
"""Classes before the first character: the blank; padding, unknown, beginning, end."""
_NRTR_UNKNOWN = 1


def _numbered(characters: Sequence[str]) -> Iterator[tuple[int, tuple[str, int]]]:
    """Yield place and character, with how many of the same follow it."""
    num_seen: Counter[str] = Counter()
    for place in reversed(range(len(characters))):
        character = characters[place]
        yield place, (character, num_seen[character])
        num_seen[character] += 1


class ClassMap:
    """What the classes of one dictionary are in another, for every decoder.

    Logits of the network are given in the run's classes, so that losses and decoding need not know;
    labels of the run are given in the network's classes, for decoders that read them. Softmax of
    mapped logits shares the probability among the characters that the run has.

    Args:
        own: characters of the network.
        shared: characters of the run.
    """

    def __init__(self, own: Charset, shared: Charset) -> None:
        self.own, self.shared = own, shared

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Characters of the run that the network does not know."""
        return tuple(sorted(set(self.shared.characters) - set(self.own.characters)))

    @cached_property
    def _characters(self) -> NDArray[np.int64]:
        """Place of each character of the run among the network's, -1 where absent: [K - 1].

        Of one that is listed several times the last counts, as labels are encoded with it: the
        last stands for the last, the one before for the one before.
        """
        places = {entry: place for place, entry in _numbered(self.own.characters)}
        found = [NONE] * len(self.shared.characters)
        for place, entry in _numbered(self.shared.characters):
            found[place] = places.get(entry, NONE)
        return np.array(found, np.int64)

    def classes_of(self, decoder: str) -> NDArray[np.int64]:
        """Return the network's class for each of the run's, -1 where it has none."""
        known = self._characters
        num_own, num_shared = len(self.own.characters), len(self.shared.characters)

        def after(num_special: int) -> NDArray[np.int64]:
            return np.where(known == NONE, NONE, known + num_special)

        if decoder == "ctc":
            return np.concatenate([np.arange(_CTC_SPECIAL), after(_CTC_SPECIAL)])
        if decoder == "gtc":  # the last symbol is one that no label has
            last = [_NRTR_SPECIAL + num_own]
            return np.concatenate([np.arange(_NRTR_SPECIAL), after(_NRTR_SPECIAL), last])
        assert decoder == "sar" and num_shared > 0
        return np.concatenate([after(0), [num_own, num_own + 1]])  # unknown, end

    def logits(self, logits: paddle.Tensor, decoder: str = "ctc") -> paddle.Tensor:
        """Give logits float32 [.., classes of the network] in the run's classes [.., classes].

        Args:
            logits: of the decoder.
            decoder: `ctc`, `gtc` (NRTR) or `sar`.
        """
        classes = self.classes_of(decoder)
        mapped = paddle.index_select(logits, paddle.to_tensor(np.maximum(classes, 0)), axis=-1)
        if (classes != NONE).all():
            return mapped
        is_absent = paddle.to_tensor(classes == NONE)
        least = logits.min(axis=-1, keepdim=True) - _ABSENT
        return paddle.where(is_absent.expand_as(mapped), least.expand_as(mapped), mapped)

    def outputs(self, head_out: Any) -> Any:
        """Give what a head returns to the losses in the run's classes."""
        if isinstance(head_out, Mapping):
            return {
                name: self._output(value, name) if name in ("ctc", "gtc", "sar") else value
                for name, value in head_out.items()
            }
        return self._output(head_out, "ctc")

    def _output(self, output: Any, decoder: str) -> Any:
        if isinstance(output, list | tuple):  # features beside the logits
            features, logits = output
            return features, self.logits(logits, decoder)
        return self.logits(output, decoder)

    def batch(self, batch: Any) -> Any:
        """Give the labels that decoders read in the network's classes, or as unknown."""
        if not isinstance(batch, Mapping):
            return batch
        mapped = dict(batch)
        for name, table in (("label_gtc", self._nrtr_labels), ("label_sar", self._sar_labels)):
            if name in mapped:
                mapped[name] = paddle.to_tensor(table)[mapped[name]]
        return mapped

    @cached_property
    def _nrtr_labels(self) -> NDArray[np.int64]:
        classes = self.classes_of("gtc")
        return np.where(classes == NONE, _NRTR_UNKNOWN, classes)

    @cached_property
    def _sar_labels(self) -> NDArray[np.int64]:
        num_own = len(self.own.characters)
        classes = self.classes_of("sar")
        padding = [num_own + 2]
        return np.concatenate([np.where(classes == NONE, num_own, classes), padding])
