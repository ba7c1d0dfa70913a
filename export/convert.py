"""One paddle network -> a self-describing ONNX file."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import paddle

from runtime.errors import ArtifactError
from runtime.spec import RecognizerSpec
from training.modeling import RecognitionNetwork

OPSET = 14
"""Has HardSwish; read by onnxruntime 1.8 and later and by every TensorRT 10."""
IR_VERSION = 8
"""Read by onnxruntime 1.10 and later."""


class _Deployed(paddle.nn.Layer):
    """What is exported: images in, probabilities out."""

    def __init__(self, network: RecognitionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        return self.network.probabilities(images)


def convert(network: RecognitionNetwork, spec: RecognizerSpec) -> onnx.ModelProto:
    """Trace, convert with paddle2onnx, fold and clean, name things, describe.

    Batch and width stay open; the height is the spec's.

    Args:
        network: weights loaded.
        spec: written into the metadata.

    Returns:
        The model; opset 14, input `x` [N, C, H, W], output `probabilities` [N, T, K].

    Raises:
        ArtifactError: if paddle2onnx or the ONNX checker refuses the network.
    """
    with tempfile.TemporaryDirectory() as folder:
        with _quiet():
            program = _save_program(network, spec, Path(folder) / "inference")
        raw = _paddle2onnx(program)
    model = _simplified(raw)
    _name_values(model, spec)
    describe(model, spec)
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ArtifactError(f"the converted model is not valid ONNX: {error}") from error
    return model


def describe(model: onnx.ModelProto, spec: RecognizerSpec) -> None:
    """Write the spec into the model's metadata, replacing an earlier one."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {**metadata, **spec.to_metadata()})


def _save_program(network: RecognitionNetwork, spec: RecognizerSpec, prefix: Path) -> Path:
    deployed = _Deployed(network)
    deployed.eval()
    shape = [None, spec.channels, spec.height, None]
    traced = paddle.jit.to_static(
        deployed,
        input_spec=[paddle.static.InputSpec(shape, "float32", spec.input_name)],
        full_graph=True,
    )
    paddle.jit.save(traced, str(prefix))
    return prefix.with_suffix(".json")


def _paddle2onnx(program: Path) -> onnx.ModelProto:
    # paddle2onnx runs Polygraphy, which would otherwise pip-install a dependency by itself.
    os.environ["POLYGRAPHY_AUTOINSTALL_DEPS"] = "0"
    import paddle2onnx

    target = program.with_suffix(".onnx")
    with _quiet() as said:
        try:
            paddle2onnx.export(
                str(program),
                str(program.with_suffix(".pdiparams")),
                str(target),
                opset_version=OPSET,
                auto_upgrade_opset=False,
                enable_optimize=False,
            )
        except Exception as error:  # paddle2onnx raises whatever its C++ side throws
            raise ArtifactError(
                f"paddle2onnx cannot convert the network: {error}; it said: {said()[-500:]}"
            ) from error
        if not target.is_file():
            raise ArtifactError(
                f"paddle2onnx wrote no model; it said: {said()[-500:]}; check that "
                "paddlepaddle 3.3.1 and paddle2onnx 2.1.0 are installed"
            )
    return onnx.load(str(target))


@contextlib.contextmanager
def _quiet() -> Iterator[Callable[[], str]]:
    """Collect what is printed, also by compiled code; yields a function that tells it."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile("w+b") as said:

        def tell() -> str:
            said.seek(0)
            return said.read().decode("utf-8", "replace")

        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        try:
            yield tell
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, copy in enumerate(kept, start=1):
                os.dup2(copy, number)
                os.close(copy)


def _simplified(raw: onnx.ModelProto) -> onnx.ModelProto:
    """Constants folded, BatchNorm merged into convolutions, dead parts gone."""
    import onnxslim

    model = onnxslim.slim(raw)
    if model is None:
        raise ArtifactError("onnxslim returned no model; check that onnxslim is up to date")
    del model.graph.value_info[:]
    model.ir_version = IR_VERSION
    model.producer_name = "distilrec"
    model.producer_version = ""
    model.doc_string = ""
    return model


def _name_values(model: onnx.ModelProto, spec: RecognizerSpec) -> None:
    """Stable names for input, output, nodes and open dimensions."""
    graph = model.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise ArtifactError(
            f"the converted model has {len(graph.input)} inputs and {len(graph.output)} outputs: "
            "expected one of each"
        )
    _number_values(
        graph, {graph.input[0].name: spec.input_name, graph.output[0].name: spec.output_name}
    )
    graph.input[0].name, graph.output[0].name = spec.input_name, spec.output_name
    graph.name = "recognizer"
    for value, names in ((graph.input[0], "N__W"), (graph.output[0], "NT_")):
        for dimension, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            if name != "_":
                dimension.dim_param = name


def _number_values(graph: onnx.GraphProto, renamed: dict[str, str]) -> None:
    """Name nodes, weights and values by their place, so that the same network gives the same file.

    The converter's own names count up over the life of the process.

    Args:
        graph: changed in place; weights are put in the order of their first use.
        renamed: names that are given already, old -> new; extended.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    used: list[onnx.TensorProto] = []
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
        for name in node.input:
            if name in weights and name not in renamed:
                renamed[name] = f"weight_{len(used)}"
                used.append(weights[name])
        for index, name in enumerate(node.output):
            if name and name not in renamed:
                renamed[name] = f"{node.name}_{index}" if index else f"{node.name}_out"
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    ordered = []
    for weight in used:
        kept = onnx.TensorProto()
        kept.CopyFrom(weight)
        kept.name = renamed[weight.name]
        ordered.append(kept)
    del graph.initializer[:]
    graph.initializer.extend(ordered)
