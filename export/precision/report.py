"""What became of a network's precision, node by node, and how far the result agrees."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_MOST_EXAMPLES = 5


@dataclass(frozen=True)
class Kept:
    """A node that stays FP32.

    Args:
        node: its name.
        operator: its ONNX operator.
        reason: `operator`, `logits`, `between` (only FP32 neighbours), `range`, `vanishing`,
            `text` (makes text differ by itself) or `error` (its rounding adds up with others').
        detail: the numbers, or an example.
    """

    node: str
    operator: str
    reason: str
    detail: str


@dataclass(frozen=True)
class TextDifference:
    """One line that two forms read differently.

    Args:
        line: its number, from 0.
        expected, got: what the FP32 and the other form read.
        margin: by how much FP32 preferred its class, as a probability, at the most disputed of
            the time steps where they differ.
    """

    line: int
    expected: str
    got: str
    margin: float


@dataclass(frozen=True)
class Agreement:
    """How far the FP16 form agrees with FP32.

    Args:
        num_lines: lines compared.
        num_ties: lines with other text at steps where FP32 itself hardly preferred one class;
            counted only when a tolerance for ties was given.
        differences: the lines read differently, ties left out.
        num_steps, num_equal_classes: time steps, and those with the same largest class.
        num_not_finite: values that are NaN or infinite.
        max_difference, mean_difference: of the probabilities, absolute.
        lines_from: what the lines were.
    """

    num_lines: int
    num_ties: int
    differences: tuple[TextDifference, ...]
    num_steps: int
    num_equal_classes: int
    num_not_finite: int
    max_difference: float
    mean_difference: float
    lines_from: str

    @property
    def is_equal(self) -> bool:
        """Whether every line reads the same and every value is a number."""
        return not self.differences and not self.num_not_finite

    @property
    def most_disputed(self) -> float:
        """The largest margin of any difference, 0.0 without differences."""
        return max((one.margin for one in self.differences), default=0.0)

    def as_json(self) -> dict[str, Any]:
        """The figures, and a few of the differences."""
        figures = asdict(self)
        del figures["differences"]
        examples = [asdict(one) for one in self.differences[:_MOST_EXAMPLES]]
        return {
            **figures,
            "num_equal_texts": self.num_lines - self.num_ties - len(self.differences),
            "differences": examples,
        }


@dataclass(frozen=True)
class PrecisionReport:
    """The precision achieved, and why not more.

    Args:
        achieved: `fp16` (only what is always kept is FP32), `mixed` (more had to be kept) or
            `fp32` (nothing is FP16).
        num_half, num_float: nodes that compute on floats, by precision.
        kept: every node kept FP32, in the graph's order.
        agreement: of the result with FP32.
        num_tries: FP16 forms that were made and compared.
        tie_tolerance: as asked for.
        method: how FP16 was proven.
    """

    achieved: str
    num_half: int
    num_float: int
    kept: tuple[Kept, ...]
    agreement: Agreement
    num_tries: int
    tie_tolerance: float
    method: str = "FP16 rounding emulated on the CPU after every node"

    def as_json(self) -> dict[str, Any]:
        """For a sidecar, a model's provenance or a command's output."""
        return {
            "achieved": self.achieved,
            "num_half": self.num_half,
            "num_float": self.num_float,
            "kept": [asdict(one) for one in self.kept],
            "agreement": self.agreement.as_json(),
            "num_tries": self.num_tries,
            "tie_tolerance": self.tie_tolerance,
            "method": self.method,
        }

    def __str__(self) -> str:
        agreement = self.agreement
        equal = agreement.num_lines - agreement.num_ties - len(agreement.differences)
        ties = f" and {agreement.num_ties} ties" if agreement.num_ties else ""
        return (
            f"{self.achieved}: {self.num_half} nodes in FP16, {self.num_float} in FP32; "
            f"{equal} of {agreement.num_lines} texts equal{ties}, "
            f"{agreement.num_equal_classes} of {agreement.num_steps} classes equal, probabilities "
            f"within {agreement.max_difference:.2g}, on {agreement.lines_from}"
        )
