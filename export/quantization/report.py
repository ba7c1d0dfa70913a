"""What an 8-bit form reads, held against FP32 and, where labels are given, against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from export.precision.report import Kept
from export.proof.compare import Comparison
from runtime.errors import ConfigError
from runtime.recognition.scores import TextScores

_MOST_EXAMPLES = 5


@dataclass(frozen=True)
class Limits:
    """How much reading may change.

    Args:
        max_loss: of all labelled lines, the share that may be right in FP32 and no longer in 8 bit,
            less those newly right.
        min_equal: share of the lines that must read as in FP32.
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
        num_lines: lines that judged it; none of them was used to measure ranges.
        num_equal: read as in FP32.
        num_labelled: those with a label.
        num_right_fp32, num_right: read exactly, of those.
        num_lost, num_gained: right in FP32 alone, right in 8 bit alone.
        max_difference, mean_difference: of the probabilities, absolute.
        lines_from: what the lines were.
        examples: texts of FP32 and of 8 bit where they differ, at most five.
    """

    num_lines: int
    num_equal: int
    num_labelled: int
    num_right_fp32: int
    num_right: int
    num_lost: int
    num_gained: int
    max_difference: float
    mean_difference: float
    lines_from: str
    examples: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, comparison: Comparison, truth: Sequence[str | None]) -> Reading:
        """Count.

        Args:
            comparison: of 8 bit with FP32.
            truth: text of each line, None without a label.
        """
        parity = comparison.parity
        labelled = [
            (line, text)
            for line, text in zip(comparison.lines, truth, strict=True)
            if text is not None
        ]
        before, after = TextScores(), TextScores()
        for line, text in labelled:
            before.add(line.expected, text)
            after.add(line.got, text)
        different = [line for line in comparison.lines if line.expected != line.got]
        return cls(
            num_lines=parity.num_lines,
            num_equal=parity.num_equal_texts,
            num_labelled=after.num_read,
            num_right_fp32=before.num_exact,
            num_right=after.num_exact,
            num_lost=sum(line.expected == text != line.got for line, text in labelled),
            num_gained=sum(line.got == text != line.expected for line, text in labelled),
            max_difference=parity.max_difference,
            mean_difference=parity.mean_difference,
            lines_from=parity.lines_from,
            examples=tuple((one.expected, one.got) for one in different[:_MOST_EXAMPLES]),
        )

    def is_within(self, limits: Limits) -> bool:
        """Whether it reads well enough."""
        num_lost = self.num_right_fp32 - self.num_right
        return (
            num_lost <= limits.max_loss * self.num_labelled
            and self.num_equal >= limits.min_equal * self.num_lines
        )

    def __str__(self) -> str:
        text = f"{self.num_equal} of {self.num_lines} texts as in FP32"
        if self.num_labelled:
            text += (
                f"; read exactly: {self.num_right_fp32} of {self.num_labelled} in FP32, "
                f"{self.num_right} in 8 bit ({self.num_lost} lost, {self.num_gained} gained)"
            )
        return f"{text}; on {self.lines_from}"


@dataclass(frozen=True)
class EightBitReport:
    """The precision achieved and what it costs.

    Args:
        num_eight_bit: nodes that compute on 8-bit integers.
        kept: nodes with much arithmetic that stay FP32 since they harm reading most.
        num_calibrated: lines that ranges were measured on.
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
        """For a model's provenance or a command's output."""
        return asdict(self)

    def __str__(self) -> str:
        kept = f", {len(self.kept)} more could be but stay FP32" if self.kept else ""
        return f"8 bit: {self.num_eight_bit} nodes{kept}; {self.reading}"
