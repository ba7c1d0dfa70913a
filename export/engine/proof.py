"""Compares a built engine with onnxruntime on images, where there is a GPU to run it."""

from __future__ import annotations

from pathlib import Path

import onnx

from export.contract import ModelContract
from export.proof.compare import Agreement, compare
from export.proof.emulate import cpu_session
from export.proof.forms import ScoreForm, run_of_session
from export.proof.samples import Samples
from runtime.errors import ParityError

_MOST_EXAMPLES = 3
_NUM_READS = 3


def prove_engine(
    plan: Path,
    model: onnx.ModelProto,
    contract: ModelContract,
    samples: Samples,
    tie_tolerance: float,
    device_id: int = 0,
) -> Agreement:
    """Let the engine and onnxruntime read the same images.

    Both get them in sizes that the engine takes, as the runtime would give them.

    Args:
        plan: of the engine, its sidecar beside it.
        model: FP32 or FP16, as given.
        contract: of the model.
        samples: to read.
        tie_tolerance: as `compare`.
        device_id: number of the GPU.

    Raises:
        ParityError: if a reading differs.
    """
    form, limited = contract.engine_form(plan, device_id)
    try:
        reference = ScoreForm(
            "onnxruntime on the CPU", limited, run_of_session(cpu_session(model), contract.spec)
        )
        # Time goes with the length of a line, and so do the steps over which a network rounds.
        images = [*samples.images, *limited.extremes(samples.images)]
        fitting = limited.samples(images, samples.samples_from)
        # Plain, captured and replayed: each shape takes another path the first three times.
        for _ in range(_NUM_READS):
            agreement = compare(reference, form, limited, fitting, tie_tolerance)
            if not agreement.is_equal:
                break
    finally:
        form.close()
    if agreement.is_equal:
        return agreement
    told = "; ".join(
        f"image {difference.position}: expected {difference.expected!r}, got {difference.got!r}"
        for difference in agreement.differences[:_MOST_EXAMPLES]
    )
    raise ParityError(
        f"the engine reads otherwise than onnxruntime: {len(agreement.differences)} of "
        f"{agreement.num_samples} differ on {agreement.samples_from}: "
        f"{told or 'values that are not finite'}; the plan was not written; build without --fp16, "
        "or accept near ties with --tieTolerance"
    )
