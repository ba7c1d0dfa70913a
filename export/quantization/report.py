"""What an 8-bit form reads, held against FP32 and, where labels are given, against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from export.precision.report import Kept
from export.proof.compare import Agreement
from runtime.errors import ConfigError

_MOST_EXAMPLES = 5


@dataclass(frozen=True)
class Limits:
    """How much reading may change.

    Args:
        max_loss: of all labelled samples, the share that may be right in FP32 and no longer so in
            8 bit, less those newly right.
        min_equal: share of the samples that must read as in FP32.
    """

    max_loss: float = 0.005
    min_equal: float = 0.95

    def __post_init__(self) -> None:
        for option, value in (("--maxLoss", self.max_loss), ("--minEqual", self.min_equal)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{option}: expected a share from 0 to 1, got {value}")


@dataclass(frozen=True)
class Reading:
    """How an 8-bit form reads.

    Args:
        num_samples: that judged it; none of them was used to measure ranges.
        num_equal: read as in FP32.
        num_labelled: those with a label.
        num_right_fp32, num_right: read exactly, of those.
        num_lost, num_gained: right in FP32 alone, right in 8 bit alone.
        max_difference, mean_difference: of the probabilities, absolute.
        samples_from: what they were.
        examples: readings of FP32 and of 8 bit where they differ, at most five.
    """

    num_samples: int
    num_equal: int
    num_labelled: int
    num_right_fp32: int
    num_right: int
    num_lost: int
    num_gained: int
    max_difference: float
    mean_difference: float
    samples_from: str
    examples: tuple[tuple[Any, Any], ...]

    @classmethod
    def of(cls, agreement: Agreement, truth: Sequence[Any]) -> Reading:
        """Count equal, right, lost and gained readings.

        Args:
            agreement: of 8 bit with FP32.
            truth: what each sample shows, None without a label.
        """
        labelled = [
            (sample.expected == label, sample.got == label)
            for sample, label in zip(agreement.samples, truth, strict=True)
            if label is not None
        ]
        return cls(
            num_samples=agreement.num_samples,
            num_equal=agreement.num_equal,
            num_labelled=len(labelled),
            num_right_fp32=sum(before for before, _ in labelled),
            num_right=sum(after for _, after in labelled),
            num_lost=sum(before and not after for before, after in labelled),
            num_gained=sum(after and not before for before, after in labelled),
            max_difference=agreement.max_difference,
            mean_difference=agreement.mean_difference,
            samples_from=agreement.samples_from,
            examples=tuple(
                (sample.expected, sample.got) for sample in agreement.differences[:_MOST_EXAMPLES]
            ),
        )

    def is_within(self, limits: Limits) -> bool:
        """Tell whether the form reads well enough."""
        num_lost = self.num_right_fp32 - self.num_right
        return (
            num_lost <= limits.max_loss * self.num_labelled
            and self.num_equal >= limits.min_equal * self.num_samples
        )

    def __str__(self) -> str:
        text = f"{self.num_equal} of {self.num_samples} readings as in FP32"
        if self.num_labelled:
            text += (
                f"; read exactly: {self.num_right_fp32} of {self.num_labelled} in FP32, "
                f"{self.num_right} in 8 bit ({self.num_lost} lost, {self.num_gained} gained)"
            )
        return f"{text}; on {self.samples_from}"


@dataclass(frozen=True)
class EightBitReport:
    """The precision achieved and what it costs.

    Args:
        num_eight_bit: nodes that compute on 8-bit integers.
        kept: nodes with much arithmetic that stay FP32 since they harm reading most.
        num_calibrated: samples that ranges were measured on.
        reading: how it reads.
        num_tries: forms that were made and read with.
    """

    num_eight_bit: int
    kept: tuple[Kept, ...]
    num_calibrated: int
    reading: Reading
    num_tries: int
    achieved: str = "int8"

    def as_json(self) -> dict[str, Any]:
        """Return the report for a model's provenance or a command's output."""
        return asdict(self)

    def __str__(self) -> str:
        kept = f", {len(self.kept)} more could be but stay FP32" if self.kept else ""
        return f"8 bit: {self.num_eight_bit} nodes{kept}; {self.reading}"
