"""Makes FP16 forms and runs them, counted, so that a search has an end."""

from __future__ import annotations

from collections.abc import Set

import onnx
from tqdm import tqdm

from export.contract import ModelContract
from export.conversion.graph_view import GraphView, float_nodes
from export.precision.half import half_from_float
from export.proof.compare import Agreement, compare
from export.proof.emulate import cpu_session, emulated_session
from export.proof.forms import ScoreForm, run_of_session
from export.proof.samples import Samples


class Trials:
    """FP16 forms of one network, each run as a GPU would round it.

    Args:
        source: the FP32 graph.
        contract: of the network.
        tie_tolerance: as `compare`.
        most: forms that may be made before the search has to end.
        is_quiet: show no progress.
    """

    def __init__(
        self,
        source: GraphView,
        contract: ModelContract,
        tie_tolerance: float,
        most: int,
        is_quiet: bool = False,
    ) -> None:
        self.source = source
        self.contract = contract
        self.tie_tolerance = tie_tolerance
        self.names = tuple(node.name for node in float_nodes(source))
        """Nodes that may be FP16, in the graph's order."""
        self.reference = self._form("FP32", cpu_session(source.model))
        """The FP32 form."""
        self._most = most
        self._num_made = 0
        self._progress = tqdm(desc="FP16 forms tried", unit="", disable=is_quiet or None)

    @property
    def num_made(self) -> int:
        """Forms made so far."""
        return self._num_made

    @property
    def is_spent(self) -> bool:
        """Tell whether no more forms may be made."""
        return self.num_made >= self._most

    def model(self, kept: Set[str]) -> onnx.ModelProto:
        """Return the FP16 model with these nodes in FP32."""
        return half_from_float(self.source, kept)

    def candidate(self, kept: Set[str]) -> ScoreForm:
        """Return an emulated form with these nodes in FP32, all others in FP16."""
        self._num_made += 1
        self._progress.update()
        return self._form("FP16", emulated_session(self.model(kept)))

    def alone(self, half: Set[str]) -> ScoreForm:
        """Return an emulated form with these nodes in FP16, all others in FP32."""
        return self.candidate(set(self.names) - half)

    def compare(self, candidate: ScoreForm, samples: Samples) -> Agreement:
        """Hold a form against FP32."""
        return compare(self.reference, candidate, self.contract, samples, self.tie_tolerance)

    def close(self) -> None:
        """End the progress bar."""
        self._progress.close()

    def _form(self, name: str, session: object) -> ScoreForm:
        run = run_of_session(session, self.contract.spec)
        return ScoreForm(name, self.contract, run, is_exact=name == "FP32")
