"""Small networks of every kind go the whole road: merged, ONNX, FP16, an engine's graph, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import paddle
import pytest

from export.chain import ExportOptions, Source, export_network
from export.commands.precision import convert_file
from export.conversion.graph import opset_of
from export.conversion.graph_view import FLOAT16, view
from export.conversion.model_file import read_model
from export.conversion.strip import deployed_outputs, strip
from export.engine.network import parsed_network
from export.proof.forms import run_of_program
from export.recognition.engine_graph import engine_graph
from export.recognition.samples import rendered_lines
from runtime.engines.tensorrt.library import TensorRtLog, load_tensorrt
from runtime.errors import EngineError
from runtime.recognition.charset import Charset
from runtime.recognition.recognizer import Recognizer
from tests.export.test_clients import PADDLEX_PYTHON, texts_of_paddlex, texts_of_rapidocr
from tests.training.recognition.plans import config_of
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import (
    arrays_of,
    parameters_sha256,
    read_parameters,
    write_parameters,
)
from training.plan import read_deployed_plan

SVTR = {"name": "svtr", "dims": 16, "depth": 1, "hidden_dims": 16, "kernel_size": [1, 3]}
LIGHT = {"name": "lightsvtr", "dims": 16, "depth": 1, "mlp_ratio": 2.0, "local_kernel": 7}
NRTR = {"NRTRHead": {"nrtr_dim": 32, "num_decoder_layers": 1}}
SAR = {"SARHead": {"enc_dim": 16, "d_k": 16, "max_text_length": 6}}
STAGES = {
    "stage1": [8, 8, 16, 1, True, False, 3, 2, [2, 1]],
    "stage2": [16, 12, 32, 1, True, False, 3, 2, [1, 2]],
    "stage3": [32, 16, 48, 2, True, True, 5, 2, [2, 1]],
    "stage4": [48, 24, 64, 1, True, True, 5, 2, [2, 1]],
}


def network(
    backbone: dict[str, Any], neck: dict[str, Any], decoder: dict[str, Any]
) -> dict[str, Any]:
    """A network's section: CTC behind a neck, and another decoder that only training runs."""
    ctc = {"CTCHead": {"Neck": neck, "Head": None}}
    return {"Backbone": backbone, "Head": {"name": "MultiHead", "head_list": [ctc, decoder]}}


KINDS = {
    "SVTR_LCNet and SAR": network(
        {
            "name": "MobileNetV1Enhance",
            "scale": 0.125,
            "last_conv_stride": [1, 2],
            "last_pool_type": "avg",
            "last_pool_kernel_size": [2, 2],
        },
        {**SVTR, "use_guide": True},
        SAR,
    ),
    "PPLCNetV3": network({"name": "PPLCNetV3", "scale": 0.35}, SVTR, NRTR),
    "PPLCNetV4": network({"name": "PPLCNetV4", "model_size": "tiny"}, LIGHT, NRTR),
    "SVTRv2": network(
        {
            "name": "SVTRv2",
            "dims": [8, 16, 32],
            "depths": [1, 2, 1],
            "num_heads": [1, 2, 2],
            "mixer": [["Conv"], ["Conv", "Global"], ["Global"]],
            "sub_k": [[2, 1], [2, 1], [-1, -1]],
            "use_pool": True,
        },
        SVTR,
        NRTR,
    ),
    "PPHGNetV2": network(
        {
            "name": "PPHGNetV2_B4",
            "text_rec": True,
            "stem_channels": [3, 8, 8],
            "stage_config": STAGES,
            "class_num": 10,
            "class_expand": 16,
        },
        SVTR,
        NRTR,
    ),
}
TRAINED_ALONE = ("gtc_head", "before_gtc", "sar_head", "backbone.fc", "backbone.last_conv")
ALWAYS_FLOAT = {"LayerNormalization", "Softmax", "ReduceMean", "GlobalAveragePool"}
REPARAMETERISED = ("PPLCNetV3", "PPLCNetV4")


@dataclass(frozen=True)
class Exported:
    """A network of one kind, and what was made of it.

    Args:
        kind: of `KINDS`.
        apart: the network as it was trained, in evaluation mode.
        images: files of lines.
        onnx, half: the FP32 and the FP16 model.
        result, precision: what export told of them.
    """

    kind: str
    apart: paddle.nn.Layer
    images: list[str]
    onnx: Path
    half: Path
    result: Mapping[str, Any]
    precision: Mapping[str, Any]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Five lines of digits."""
    folder = tmp_path_factory.mktemp("lines")
    lines, _ = rendered_lines(Charset(tuple("0123456789 ")))
    names = [str(folder / f"{number}.png") for number in range(5)]
    for name, line in zip(names, lines, strict=False):
        cv2.imwrite(name, line)
    return names


@pytest.fixture(scope="module", params=KINDS)
def exported(
    request: pytest.FixtureRequest, images: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """A network with random weights, and statistics of noise, exported in FP32 and FP16."""
    folder = tmp_path_factory.mktemp("exported")
    config = config_of({"": KINDS[request.param]})
    plan = read_deployed_plan(config)
    paddle.seed(2)
    trained = plan.model.build(plan.task.num_classes_of)
    head = trained.state_dict()["head.ctc_head.fc.weight"]
    head.set_value(head * 20)  # so that lines read differently
    for layer in trained.sublayers():
        if hasattr(layer, "_momentum"):
            layer._momentum = 0.0  # the statistics are those of one batch
    noise = np.random.default_rng(2).uniform(-1, 1, (4, 3, 48, 160)).astype(np.float32)
    trained.train()
    deployed_outputs(trained)(noise)
    checkpoint = folder / "best_accuracy.pdparams"
    write_parameters(checkpoint, arrays_of(trained))
    source = Source(config, checkpoint, "Student")
    result = export_network(source, folder / "out", ExportOptions(images=images))
    onnx_file = Path(result["onnx"])
    half = onnx_file.with_name("student_fp16.onnx")
    precision = convert_file(onnx_file, half, images)
    trained.eval()
    return Exported(request.param, trained, images, onnx_file, half, result, precision)


def test_it_computes_what_the_network_does_before_merging(exported: Exported) -> None:
    """At any batch size and width; the batch in one is that of its lines one by one."""
    assert exported.result["parity"]["num_equal"] == len(exported.images)
    session = onnxruntime.InferenceSession(exported.onnx, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(1)
    for batch_size, width in ((1, 32), (3, 96), (2, 352)):
        images = generator.uniform(-1, 1, (batch_size, 3, 48, width)).astype(np.float32)
        (got,) = session.run(None, {"x": images})
        wanted = deployed_outputs(exported.apart)(images)
        assert got.shape == wanted.shape == (batch_size, width // 8, 37)
        assert np.abs(got - wanted).max() <= 1e-4


def test_what_only_training_runs_is_not_in_it(exported: Exported) -> None:
    state = exported.apart.state_dict()
    trained_alone = sum(
        tensor.size for name, tensor in state.items() if any(part in name for part in TRAINED_ALONE)
    )
    model = onnx.load(exported.onnx)
    kept = sum(int(np.prod(weight.dims)) for weight in model.graph.initializer)
    # Beside the weights a graph holds shapes and axes.
    assert trained_alone > 0
    assert kept <= sum(tensor.size for tensor in state.values()) - trained_alone + 300
    convolutions = sum(node.op_type == "Conv" for node in model.graph.node)
    apart = sum(isinstance(layer, paddle.nn.Conv2D) for layer in exported.apart.sublayers())
    if exported.kind in REPARAMETERISED:
        assert convolutions < apart
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


def test_its_program_runs_without_a_word(
    exported: Exported, capfd: pytest.CaptureFixture[str]
) -> None:
    """Standard output is the command's own, which others parse."""
    run = run_of_program(exported.onnx.with_suffix("") / "inference.json")
    assert run(np.zeros((2, 3, 48, 64), np.float32)).shape == (2, 8, 37)
    assert capfd.readouterr().out == ""


def test_layernorm_is_one_operator(exported: Exported) -> None:
    model = onnx.load(exported.onnx)
    assert opset_of(model) == 17
    assert "LayerNormalization" in {node.op_type for node in model.graph.node}
    assert not {"Sqrt", "Pow", "Identity"} & {node.op_type for node in model.graph.node}


def test_sums_and_attention_stay_fp32_in_the_fp16_form(exported: Exported) -> None:
    assert exported.precision["achieved"] in ("fp16", "mixed")
    half = view(read_model(exported.half).model)
    assert {node.op_type for node in half.nodes} >= {"LayerNormalization", "Softmax"}
    in_half = [node for node in half.nodes if half.of_type((*node.input, *node.output), FLOAT16)]
    assert len(in_half) > len(half.nodes) / 3
    assert not ALWAYS_FLOAT & {node.op_type for node in in_half}


def test_both_forms_are_read_with(exported: Exported) -> None:
    """onnxruntime rounds FP16 in other places than the emulation, which may move a random line."""
    with Recognizer(exported.onnx, device="cpu") as recognizer:
        single = [line.text for line in recognizer(exported.images)]
    with Recognizer(exported.half, device="cpu") as recognizer:
        half = [line.text for line in recognizer(exported.images)]
    assert len(set(single)) > 2
    assert sum(text == other for text, other in zip(single, half, strict=True)) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("program", ["RapidOCR", "PaddleX"])
def test_programs_of_others_read_the_same(exported: Exported, program: str, tmp_path: Path) -> None:
    """On lines as wide as both pad to."""
    if program == "PaddleX" and PADDLEX_PYTHON is None:
        pytest.skip("DISTILREC_PADDLEX_PYTHON names no Python")
    lines = [cv2.resize(cv2.imread(name), (320, 48)) for name in exported.images]
    with Recognizer(exported.onnx, device="cpu") as recognizer:
        ours = [line.text for line in recognizer(lines)]
    if program == "RapidOCR":
        theirs = texts_of_rapidocr(exported.onnx, lines, [320] * len(lines), height=48)
    else:
        paths = [str(tmp_path / f"{number}.png") for number in range(len(lines))]
        for path, line in zip(paths, lines, strict=True):
            cv2.imwrite(path, line)
        theirs = texts_of_paddlex(exported.onnx.with_suffix(""), paths)
    assert theirs == ours
    assert len(set(ours)) > 2


@pytest.mark.parametrize("form", ["onnx", "half"])
def test_tensorrt_takes_the_graph(exported: Exported, form: str) -> None:
    try:
        library = load_tensorrt("tensorrt-rtx")
    except EngineError as error:
        pytest.skip(f"no library to parse with: {error}")
    source = read_model(getattr(exported, form))
    graph = engine_graph(source.model, source.spec).SerializeToString()
    log = TensorRtLog(library.module)
    built, _ = parsed_network(library, log, library.module.Builder(log.logger), graph, "test")
    kept = {"NORMALIZATION", "SOFTMAX"}
    seen = set()
    for index in range(built.num_layers):
        layer = built.get_layer(index)
        if layer.type.name in kept:
            seen.add(layer.type.name)
            assert layer.get_output(0).dtype.name == "FLOAT", layer.name
    assert seen == kept


def test_the_checkpoint_it_writes_is_the_network_as_it_was_trained(exported: Exported) -> None:
    written = read_parameters(exported.result["parameters"])
    report = load_into(exported.apart, written, "written")
    assert not report.missing and not report.unused


def test_what_a_checkpoint_may_lack_is_no_part_of_what_is_written(tmp_path: Path) -> None:
    """PaddleOCR's own files have, or have not, a classifier and a table that nothing reads."""
    plan = read_deployed_plan(config_of({"": KINDS["PPHGNetV2"]}))
    parameters = arrays_of(plan.model.build(plan.task.num_classes_of))
    names = [name for name in parameters if name.startswith("backbone.fc") or name.endswith(".pe")]
    assert len(names) == 3
    for name in names:
        del parameters[name]
    write_parameters(tmp_path / "released.pdparams", parameters)
    hashes = set()
    for _ in range(2):  # each time the layers begin with other random numbers
        stripped = strip(plan, tmp_path / "released", "Student")
        assert stripped.parameters.keys() == parameters.keys()
        hashes.add(parameters_sha256(stripped.parameters))
    assert len(hashes) == 1
