"""What PaddleOCR itself made, exported and adopted, against PaddleOCR's own outputs.

    python -m benchmarks.parity.export --paddleocr PATH [-c configs/….yml] [--images crops/]

PaddleOCR builds the distillation model, for its own Chinese dictionary unless told otherwise, and
saves it with its own function; this project strips each network and converts it. PaddleOCR also
exports each network with its own exporter; this project adopts that folder. Every ONNX model has
to compute what PaddleOCR computes in evaluation.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.measuring.command import command_parser
from benchmarks.parity.paddleocr import export_with_paddleocr, import_paddleocr, save_with_paddleocr
from export.chain import ExportOptions, Source, export_network
from export.contract import model_contract, samples_to_compare
from export.conversion.model_file import read_model
from export.proof.compare import compare, require
from export.proof.forms import Run, ScoreForm, run_of_onnx
from export.recognition.adopt import adopt
from export.recognition.samples import rendered_lines
from runtime.errors import OcrError
from runtime.recognition.charset import build_charset
from runtime.recognition.model.told import Told
from runtime.recognition.preprocess import batch_from_lines, resize_to
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import read_parameters
from training.config import Config, load_config

SEED = 7
ALLOWED = 1e-4
"""On any probability; trained networks are sharp enough for FP32 rounding to come to 1e-5."""
NUM_PASSES = 25
"""Forward passes in training mode; each moves the batch statistics by a tenth."""
_WIDTH_PX = 96
HEAD_SCALE = 40.0
"""Factor on the last layer's random weights, so that the network has something to say."""


def paddleocr_model(paddleocr: Path, config: Config, weights: str | None = None) -> paddle.nn.Layer:
    """Build PaddleOCR's `DistillationModel` of a config, in evaluation mode.

    Args:
        paddleocr: the checkout.
        config: a distillation config that PaddleOCR knows too.
        weights: a checkpoint to fill it with; without, its weights are random and its batch
            statistics those of rendered lines, so that what it reads depends on the line.
    """
    distillation_model, _ = import_paddleocr(paddleocr)
    charset = build_charset(
        config.sections["Global"].get("character_dict_path"),
        config.sections["Global"].get("use_space_char", False),
    )
    section = copy.deepcopy(dict(config.sections["Architecture"]))
    for network in section["Models"].values():
        network["Head"]["out_channels"] = charset.num_classes
        network["Backbone"].pop("initialization", None)  # ours; PaddleOCR does not know it
    paddle.seed(SEED)
    model: paddle.nn.Layer = distillation_model(section)
    if weights is None:
        _make_outputs_vary(model)
    else:
        load_into(model, read_parameters(weights), f"PaddleOCR's model and {weights}")
    model.eval()
    return model


def _make_outputs_vary(model: paddle.nn.Layer) -> None:
    """Give random weights an output that depends on the line."""
    for name, tensor in model.state_dict().items():
        if name.endswith(("head.fc.weight", "head.fc2.weight")):
            tensor.set_value(tensor * HEAD_SCALE)
        if name.endswith(("head.fc.bias", "head.fc2.bias")):
            tensor.set_value(tensor * 0)  # or it outweighs the rest in every line alike
    lines, _ = rendered_lines(build_charset(None, use_space_char=False))
    batch = batch_from_lines([resize_to(line, 32, _WIDTH_PX) for line in lines[:32]], _WIDTH_PX)
    with paddle.no_grad():
        for _ in tqdm(range(NUM_PASSES), desc="batch statistics", file=sys.stderr):
            model(paddle.to_tensor(batch))


def compare_exports(
    config: Config,
    model: paddle.nn.Layer,
    paddleocr: Path,
    output_dir: Path,
    images: Sequence[str | Path] = (),
) -> dict[str, dict[str, Any]]:
    """Save with PaddleOCR, export every network, compare.

    Args:
        config: that the model was built from.
        model: PaddleOCR's.
        paddleocr: the checkout.
        output_dir: where checkpoint and exports go.
        images: line images; rendered ones without.

    Returns:
        network -> figures of PaddleOCR's evaluation output against the exported ONNX model.

    Raises:
        ParityError: if they disagree.
    """
    save_with_paddleocr(paddleocr, model, output_dir, dict(config.sections))
    figures = {}
    for network, section in config.sections["Architecture"]["Models"].items():
        source = Source(config, output_dir / "best_accuracy", network)
        export_network(source, output_dir, ExportOptions(images=images))
        file = output_dir / f"{network.lower()}.onnx"
        figures[network] = _compare_with_paddleocr(file, model, network, images)

        folder = output_dir / "paddleocr" / network
        export_with_paddleocr(paddleocr, getattr(model, network), section, folder)
        adopted = output_dir / f"{network.lower()}_adopted.onnx"
        adopt(
            folder,
            adopted,
            dictionary=Path(config.sections["Global"]["character_dict_path"]),
            told=Told(height_px=read_model(file).spec.input_sizes[1]),
            images=images,
        )
        figures[f"{network}, adopted"] = _compare_with_paddleocr(adopted, model, network, images)
    return figures


def _compare_with_paddleocr(
    file: Path, model: paddle.nn.Layer, network: str, images: Sequence[str | Path]
) -> dict[str, Any]:
    spec = read_model(file).spec
    contract = model_contract(spec)
    agreement = compare(
        ScoreForm("PaddleOCR", contract, _outputs_of(model, network)),
        ScoreForm(file.name, contract, run_of_onnx(file.read_bytes(), spec)),
        contract,
        samples_to_compare(images, contract),
    )
    require(agreement, f"PaddleOCR's {network} and {file.name}", ALLOWED)
    num_distinct = len({sample.expected for sample in agreement.samples})
    return {**agreement.as_json(), "num_distinct_readings": num_distinct}


def _outputs_of(model: paddle.nn.Layer, network: str) -> Run:
    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with paddle.no_grad():
            outputs: Mapping[str, Any] = model(paddle.to_tensor(batch))
        output = outputs[network]
        result: NDArray[np.float32] = (
            output["head_out"] if isinstance(output, Mapping) else output
        ).numpy()
        return result

    return run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = command_parser("benchmarks.parity.export", __doc__)
    default = Path("configs/ch_PP-OCRv2_rec_distillation.yml")
    parser.add_argument("-c", "--config", type=Path, default=default)
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="K=V")
    parser.add_argument("--paddleocr", type=Path, required=True, help="a checkout of PaddleOCR")
    parser.add_argument("--weights", help="a checkpoint to fill PaddleOCR's model with")
    parser.add_argument("--output-dir", type=Path, help="keep the files there")
    parser.add_argument("--images", nargs="+", default=[], help="line images; rendered without it")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            dictionary = options.paddleocr / "ppocr" / "utils" / "ppocr_keys_v1.txt"
            override = [f"Global.character_dict_path={dictionary}", *options.override]
            config = load_config(options.config, override)
            model = paddleocr_model(options.paddleocr, config, options.weights)
            figures = compare_exports(
                config,
                model,
                options.paddleocr,
                options.output_dir or Path(scratch),
                options.images,
            )
    except OcrError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
