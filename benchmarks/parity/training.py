"""Side by side with PaddleOCR itself: the same weights, outputs, losses and gradients?

    python -m benchmarks.parity --paddleocr PATH [-c configs/….yml] [--classes 97]

In float64 rounding is out of the way, so what differs is arithmetic. In float32 batch statistics
amplify rounding, which the second table shows.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from benchmarks.measuring.command import command_parser
from benchmarks.parity.paddleocr import import_paddleocr
from runtime.errors import OcrError
from training import build_loss, build_model
from training.config import load_config

_SHAPE = (4, 3, 32, 96)
_LABEL_LENGTH = 8


def compare(
    sections: Mapping[str, Any], paddleocr: tuple[Any, Any], num_classes: int, dtype: str
) -> dict[str, float]:
    """Return the largest relative difference of every output, loss and gradient from PaddleOCR's.

    Args:
        sections: a distillation config.
        paddleocr: its `DistillationModel` and `CombinedLoss`.
        num_classes: K.
        dtype: `float32` or `float64`.
    """
    distillation_model, combined_loss = paddleocr
    paddle.set_default_dtype(dtype)
    theirs_config = copy.deepcopy(dict(sections["Architecture"]))
    for network in theirs_config["Models"].values():
        network["Head"]["out_channels"] = num_classes
    ours = build_model(sections["Architecture"], num_classes)
    theirs = distillation_model(theirs_config)
    for model in (ours, theirs):
        _cast_batch_norm(model, dtype)
    names = {name: list(value.shape) for name, value in theirs.state_dict().items()}
    if names != {name: list(value.shape) for name, value in ours.state_dict().items()}:
        raise OcrError("names or shapes of the parameters differ from PaddleOCR's")
    # The same weights, then the same batch through both, in training mode.
    theirs.set_state_dict({name: value.clone() for name, value in ours.state_dict().items()})

    rng = np.random.default_rng(0)
    labels = rng.integers(1, num_classes, (_SHAPE[0], _LABEL_LENGTH))
    batch = {
        "image": paddle.to_tensor(rng.uniform(-1, 1, _SHAPE).astype(dtype)),
        "label": paddle.to_tensor(labels),
        "length": paddle.full([_SHAPE[0]], _LABEL_LENGTH, dtype="int64"),
    }
    differences: dict[str, float] = {}
    results = []
    their_loss = combined_loss(copy.deepcopy(sections["Loss"]["loss_config_list"]))
    for model, loss, given in (
        (ours, build_loss(sections["Loss"]), batch),
        (theirs, their_loss, list(batch.values())),
    ):
        model.train()
        outputs = model(batch["image"])
        losses = loss(outputs, given)
        losses["loss"].backward()
        results.append((outputs, losses, dict(model.named_parameters())))
    (outputs, losses, parameters), (their_outputs, their_losses, their_parameters) = results
    # Outputs relative to the largest value, scalars and norms relative to themselves.
    for network, stages in their_outputs.items():
        for stage, expected in stages.items():
            got = outputs[network][stage]
            scale = float(expected.abs().max())
            differences[f"{network}.{stage}"] = float((got - expected).abs().max()) / scale
    for name, expected in their_losses.items():
        differences[name] = abs(float(losses[name]) / float(expected) - 1)
    norms = [
        abs(float(parameters[name].grad.norm()) / float(expected.grad.norm()) - 1)
        for name, expected in their_parameters.items()
        if expected.grad is not None
    ]
    differences[f"gradient norms ({len(norms)}), worst"] = max(norms)
    return differences


def _cast_batch_norm(model: paddle.nn.Layer, dtype: str) -> None:
    """Cast BatchNorm layers, which paddle makes in float32 whatever the default type is."""
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm):
            layer.to(dtype=dtype)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = command_parser("benchmarks.parity", __doc__)
    default = Path("configs/ch_PP-OCRv2_rec_distillation.yml")
    parser.add_argument("-c", "--config", type=Path, default=default)
    parser.add_argument("--paddleocr", type=Path, required=True, help="a checkout of PaddleOCR")
    parser.add_argument("--classes", type=int, default=97)
    options = parser.parse_args(arguments)
    try:
        sections = load_config(options.config).sections
        paddleocr = import_paddleocr(options.paddleocr)
        tables = {
            dtype: compare(sections, paddleocr, options.classes, dtype)
            for dtype in ("float64", "float32")
        }
    except OcrError as error:
        print(error, file=sys.stderr)
        return 2
    width = max(map(len, tables["float64"]))
    print(f"{'largest relative difference':{width}}  float64   float32")
    for name in tables["float64"]:
        print(f"{name:{width}}  {tables['float64'][name]:7.1e}   {tables['float32'][name]:7.1e}")
    print(json.dumps(tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
