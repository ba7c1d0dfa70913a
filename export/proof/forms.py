"""The forms that one network takes on its way to production, all read in one way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.contract import ModelContract, contract_of_plan, model_contract
from export.conversion.model_file import read_model
from export.proof.outputs import Form, Outputs
from export.proof.samples import Batch
from runtime.engines import ENGINE_SUFFIXES
from runtime.engines.denormals import without_denormals
from runtime.engines.onnxruntime import reason_of
from runtime.engines.tensors import full_parts
from runtime.errors import ArtifactError
from runtime.silence import STDOUT, silenced
from runtime.spec import ModelSpec

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""float32 [N, C, H, W] -> what the network emits, float32 [N, ...]."""


@dataclass(frozen=True)
class ScoreForm:
    """A form that gives the probability of everything that could be chosen.

    Args:
        name: for reports.
        contract: of the network's task.
        run: runs a batch.
        is_exact: whether it computes in FP32 throughout.
    """

    name: str
    contract: ModelContract
    run: Run = field(repr=False)
    is_exact: bool = True

    def read(self, batch: Batch) -> Outputs:
        """Run one batch."""
        return self.outputs(batch.inputs)

    def outputs(self, inputs: NDArray[np.float32]) -> Outputs:
        """Run inputs, [N, C, H, W]."""
        return self.contract.outputs(self.run(inputs), len(inputs), self.name)

    def probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run inputs, [N, C, H, W], and return probabilities alone."""
        return self.contract.probabilities(self.run(inputs))


def run_of_onnx(model: bytes, spec: ModelSpec) -> Run:
    """Open a serialised FP32 model on onnxruntime's CPU provider.

    Args:
        model: the file's bytes.
        spec: of the model.

    Raises:
        ArtifactError: if onnxruntime cannot open it, or, when it is run, fails.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise ArtifactError(
            f"onnxruntime cannot open the model: {reason_of(error)}; export it again"
        ) from error
    return run_of_session(session, spec)


def run_of_session(session: Any, spec: ModelSpec) -> Run:
    """Return what runs a session of onnxruntime, for any N though the model's be fixed."""
    batch_size = session.get_inputs()[0].shape[0]

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            outputs = session.run([spec.output_name], {spec.input_name: batch})
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise ArtifactError(
                f"onnxruntime cannot run the model on an input of {list(batch.shape)}: "
                f"{reason_of(error)}; export it again"
            ) from error
        result: NDArray[np.float32] = outputs[0]
        return result

    return _for_any_batch(run, batch_size if isinstance(batch_size, int) else None)


def run_of_program(program: Path, batch_size: int | None = None) -> Run:
    """Open an inference program in paddle.

    Args:
        program: `inference.json` or `inference.pdmodel`.
        batch_size: N when the program's is fixed.

    Raises:
        ArtifactError: if paddle cannot open it.
    """
    from paddle import inference

    config = inference.Config(str(program), str(program.with_suffix(".pdiparams")))
    config.disable_glog_info()
    config.disable_gpu()
    if program.suffix == ".json" and b"_interp" in program.read_bytes():
        # Paddle 3.3 with oneDNN: no list of FP64 numbers, as the factors of enlarging are.
        config.disable_mkldnn()
    try:
        predictor = inference.create_predictor(config)
    except Exception as error:  # paddle raises whatever its C++ side throws
        reason = " ".join(str(error).split())[-300:]
        raise ArtifactError(
            f"paddle cannot open {program}: {reason}; export the model again"
        ) from error
    source = predictor.get_input_handle(predictor.get_input_names()[0])
    target = predictor.get_output_handle(predictor.get_output_names()[0])

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        source.reshape(batch.shape)
        source.copy_from_cpu(np.ascontiguousarray(batch))
        with silenced(STDOUT):  # some kernels say there that they were chosen
            predictor.run()
        result: NDArray[np.float32] = target.copy_to_cpu()
        return result

    return _for_any_batch(run, batch_size)


def _for_any_batch(run: Run, batch_size: int | None) -> Run:
    """Return `run` for any N, though the model's be fixed."""

    def adapted(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [batch] if batch_size is None else full_parts(batch, batch_size)
        outputs = []
        for part in parts:
            output = run(part)
            # Before anything is cut: what fills up a fixed batch must not hide another order.
            if output.ndim == 0 or len(output) != len(part):
                raise ArtifactError(
                    f"the model emits no batch: expected [{len(part)}, ...] for an input of "
                    f"{list(part.shape)}, got {list(output.shape)}; export it again"
                )
            outputs.append(output)
        return np.concatenate(outputs)[: len(batch)]

    return adapted


def form_of_file(path: Path, dictionary: Path | None = None) -> tuple[Form, ModelContract]:
    """Open an ONNX model or an engine as a form, and tell its contract.

    onnxruntime's CPU provider computes FP16 nodes in FP32, which would hide what they lose, so an
    FP16 model is run with every rounding emulated.

    Args:
        path: the file.
        dictionary: for an ONNX model that carries no characters.

    Raises:
        ArtifactError, EngineError: if it cannot be opened here.
    """
    if path.suffix.lower() in ENGINE_SUFFIXES:
        return contract_of_plan(path).engine_form(path)
    source = read_model(path, dictionary)
    contract = model_contract(source.spec)
    if source.is_half:
        from export.proof.emulate import emulated_session

        run = run_of_session(emulated_session(source.model), source.spec)
        return ScoreForm(str(path), contract, run, is_exact=False), contract
    run = run_of_onnx(without_denormals(path) or path.read_bytes(), source.spec)
    return ScoreForm(str(path), contract, run, is_exact=not source.is_eight_bit), contract
