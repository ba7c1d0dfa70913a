"""PaddleOCR's own numbers of small networks, and the heads that they are of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml

from tests.beside import paddleocr_numbers
from training.checkpoint.loading import load_into
from training.checkpoint.parameters import read_parameters
from training.recognition.heads import HEADS, MultiHead

Tensors = Mapping[str, paddle.Tensor]


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    """Return the folder of PaddleOCR's numbers that are too large for this repository."""
    return paddleocr_numbers()


@dataclass(frozen=True)
class GoldenHead:
    """A MultiHead with PaddleOCR's weights, what goes in, and what came out of PaddleOCR's.

    Args:
        head: in training mode, without dropout; its CTC neck has random weights unless it only
            reshapes.
        features: of the backbone in training.
        batch: labels by name.
        outputs: of PaddleOCR's head in training: `ctc`, `ctc_neck`, `sar` or `gtc`.
        expected: `expected.json` of the case.
    """

    head: MultiHead
    features: paddle.Tensor
    batch: Tensors
    outputs: Tensors
    expected: Mapping[str, Any]


LoadGoldenHead = Callable[..., GoldenHead]


@pytest.fixture(scope="session")
def load_golden_head(shared_golden: Path) -> LoadGoldenHead:
    """Loads the head of a case's network; a case of a single one has no name for it."""

    def load(case: str, network: str = "") -> GoldenHead:
        folder = shared_golden / case
        section = yaml.safe_load((folder / "config.yml").read_text("utf-8"))["Architecture"]
        arrays = _arrays_of(folder)
        outputs = _below("train/", arrays)
        parameters = read_parameters(folder / "weights.pdparams")
        if network:
            section = section["Models"][network]
            outputs = _below(f"{network}/", outputs)
            parameters = _below(f"{network}.", parameters)
        outputs |= _below("head_out/", outputs)
        if "backbone_out" not in outputs:  # its neck only reshapes
            outputs["backbone_out"] = outputs["ctc_neck"].transpose([0, 2, 1]).unsqueeze(2)
        batch = {name: arrays[name] for name in ("label_ctc", "label_gtc", "length", "valid_ratio")}
        batch["label_sar"] = batch["label_gtc"]  # PaddleOCR's name for either
        head = _build_head(section["Head"], outputs, _below("head.", parameters))
        expected = json.loads((folder / "expected.json").read_text("utf-8"))
        return GoldenHead(head, outputs["backbone_out"], batch, outputs, expected)

    return load


def _arrays_of(folder: Path) -> dict[str, paddle.Tensor]:
    with np.load(folder / "arrays.npz") as archive:
        return {
            name.removeprefix("in.").replace(".", "/"): paddle.to_tensor(archive[name])
            for name in archive.files
        }


def _below(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }


def _build_head(section: dict[str, Any], outputs: Tensors, parameters: Tensors) -> MultiHead:
    neck = section["head_list"][0]["CTCHead"]["Neck"]
    if neck["name"] != "reshape":  # another neck of the same width
        section["head_list"][0]["CTCHead"]["Neck"] = {"name": "fc", "hidden_size": neck["dims"]}
    head = HEADS.build(
        section,
        "Head",
        in_channels=outputs["backbone_out"].shape[1],
        out_channels=outputs["ctc"].shape[2],
    )
    of_the_neck = "ctc_encoder."
    report = load_into(
        head,
        {name: value for name, value in parameters.items() if not name.startswith(of_the_neck)},
        "golden head",
        is_partial_allowed=True,
    )
    assert not report.unused and not report.mismatched
    for name in report.missing:
        assert name.startswith(of_the_neck) or name == "gtc_head.positional_encoding.pe"
    for layer in head.sublayers():
        if isinstance(layer, paddle.nn.Dropout):
            layer.p = 0.0
    head.train()
    return head
