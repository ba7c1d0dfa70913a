"""What became of a network's precision, node by node, and how far the result agrees."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from export.proof.compare import Agreement


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
        """Return the report for a sidecar, a model's provenance or a command's output."""
        return {
            "achieved": self.achieved,
            "num_half": self.num_half,
            "num_float": self.num_float,
            "kept": [asdict(entry) for entry in self.kept],
            "agreement": self.agreement.as_json(),
            "num_tries": self.num_tries,
            "tie_tolerance": self.tie_tolerance,
            "method": self.method,
        }

    def __str__(self) -> str:
        agreement = self.agreement
        ties = f" and {agreement.num_ties} ties" if agreement.num_ties else ""
        return (
            f"{self.achieved}: {self.num_half} nodes in FP16, {self.num_float} in FP32; "
            f"{agreement.num_equal} of {agreement.num_samples} readings equal{ties}, "
            f"{agreement.num_equal_decisions} of {agreement.num_decisions} decisions equal, "
            f"probabilities within {agreement.max_difference:.2g}, on {agreement.samples_from}"
        )
