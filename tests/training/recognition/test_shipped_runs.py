"""The recognition configs that come along train, with narrow networks and four lines."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.foreign_model import write_foreign_model
from tests.training.recognition.plans import FIRST, SHIPPED, write_dictionary, write_train_data
from tests.training.stopping import stopped_at
from training.checkpoint.parameters import arrays_of, read_parameters, write_parameters
from training.config import Config, load_config
from training.plan import read_deployed_plan
from training.train import train

TEACHER, STUDENT = "Architecture.Models.Teacher", "Architecture.Models.Student"
ALONE = "Architecture"
HEAD, CTC = "Head.head_list", "Head.head_list.0.CTCHead.Neck"
SHORT = [
    *("Global.use_gpu=false", "Global.epoch_num=1", "Global.print_batch_step=1"),
    *("Global.save_model_dir=./output/run", "Train.loader.num_workers=0"),
    *("Eval.loader.num_workers=0", "Global.character_dict_path=./train_data/short.txt"),
]
SAMPLER = ["Train.sampler.scales=[[64,32],[64,48],[64,64]]", "Train.sampler.first_bs=2"]
LOADER = ["Train.loader.batch_size_per_card=2"]
NRTR = {f"{HEAD}.1.NRTRHead.nrtr_dim": 32, f"{HEAD}.1.NRTRHead.num_decoder_layers": 1}
NARROW_NECK = {f"{CTC}.dims": 16, f"{CTC}.hidden_dims": 16}
V3 = {
    "Backbone.scale": 0.125,
    f"{HEAD}.1.SARHead.enc_dim": 16,
    f"{HEAD}.1.SARHead.d_k": 16,
    **NARROW_NECK,
}
V4 = {"Backbone.scale": 0.35, **NRTR, **NARROW_NECK}
SVTR = {
    "Backbone.embed_dim": [8, 16, 32],
    "Backbone.num_heads": [1, 1, 1],
    "Backbone.out_channels": 32,
    **NRTR,
    **NARROW_NECK,
}
SVTRV2 = {"Backbone.dims": [8, 16, 32], "Backbone.num_heads": [1, 1, 1], **NRTR, **NARROW_NECK}
HGNET = {
    "Backbone.stem_channels": [3, 8, 8],
    "Backbone.stage_config": {
        "stage1": [8, 8, 16, 1, True, False, 3, 2, [2, 1]],
        "stage2": [16, 12, 32, 1, True, False, 3, 2, [1, 2]],
        "stage3": [32, 16, 48, 2, True, True, 5, 2, [2, 1]],
        "stage4": [48, 24, 64, 1, True, True, 5, 2, [2, 1]],
    },
    "Backbone.class_num": 10,
    "Backbone.class_expand": 16,
    **NRTR,
    **NARROW_NECK,
}
CHARACTERS = "\n".join(chr(FIRST + number) for number in range(14))
V6_SMALL = {f"{CTC}.dims": 16, **NRTR}
RUNS: dict[str, tuple[Sequence[str], Mapping[str, Mapping[str, Any]], set[str]]] = {
    "PP-OCRv6_tiny_rec": (SAMPLER, {ALONE: NRTR}, {"CTCLoss", "NRTRLoss"}),
    "PP-OCRv3_mobile_rec": (LOADER, {ALONE: V3}, {"CTCLoss", "SARLoss"}),
    "PP-OCRv5_server_rec": (SAMPLER, {ALONE: HGNET}, {"CTCLoss", "NRTRLoss"}),
    "PP-OCRv3_mobile_rec_distillation": (
        LOADER,
        {TEACHER: V3, STUDENT: V3},
        {
            *("dml_ctc_0", "dml_sar_0", "loss_distance_l2_Student_Teacher_0"),
            *("loss_ctc_Student_0", "loss_ctc_Teacher_1"),
            *("loss_sar_Student_0", "loss_sar_Teacher_1"),
        },
    ),
    "PP-OCRv4_mobile_rec_distillation": (
        LOADER,
        {TEACHER: SVTR, STUDENT: V4},
        {"dkd_0", "loss_ctc_Student_0", "loss_nrtr_Student_0", "ctc_logits_0"},
    ),
    "SVTRv2_rec_distillation": (
        SAMPLER,
        {TEACHER: SVTRV2, STUDENT: {**NRTR, **NARROW_NECK}},
        {"dkd_0", "loss_ctc_Student_0", "loss_nrtr_Student_0", "ctc_logits_0"},
    ),
    "PP-OCRv6_rec_distillation": (
        SAMPLER,
        {TEACHER: V6_SMALL, STUDENT: NRTR},
        {"dkd_0", "loss_ctc_Student_0", "loss_nrtr_Student_0", "ctc_logits_0"},
    ),
    "PP-OCRv6_tiny_rec_onnx_teacher": (
        SAMPLER,
        {STUDENT: NRTR},
        {"loss_ctc_Student_0", "loss_nrtr_Student_0", "teacher_ctc_0", "spike_kl_0"},
    ),
}
"""Changes of data and of networks, and the parts of the loss that a record has to have."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the configs find four lines and short dictionaries."""
    write_train_data(tmp_path)
    write_dictionary(tmp_path / "train_data" / "short.txt", range(30))
    write_dictionary(tmp_path / "train_data" / "other.txt", [*range(40, 20, -1), 0, 2, 1])
    write_foreign_model(tmp_path / "teacher_rec.onnx", metadata={"character": CHARACTERS})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def narrow(name: str, *more: str) -> Config:
    """A shipped config with narrow networks; a Teacher's own dictionary has another order."""
    data, networks, _ = RUNS[name]
    overrides = [*SHORT, *data, *more]
    for path, changes in networks.items():
        overrides += [f"{path}.{key}={json.dumps(value)}" for key, value in changes.items()]
    if name == "PP-OCRv6_rec_distillation":
        overrides.append(f"{TEACHER}.character_dict_path=./train_data/other.txt")
    return load_config(SHIPPED / f"{name}.yml", overrides)


def write_pretrained(config: Config) -> None:
    """Write random weights where the config looks for trained ones."""
    plan = read_deployed_plan(config)
    for network in plan.model.networks.values():
        if network.pretrained is not None:
            built = plan.model.build_network(network, plan.task.num_classes_of(network))
            path = Path(f"{network.pretrained}.pdparams")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_parameters(path, arrays_of(built))


def records(folder: Path) -> Iterator[dict[str, Any]]:
    for line in (folder / "output" / "run" / "metrics.jsonl").read_text("utf-8").splitlines():
        yield json.loads(line)


@pytest.mark.parametrize("name", RUNS)
def test_it_learns(name: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = narrow(name)
    write_pretrained(config)
    with caplog.at_level(logging.INFO, logger="training"):
        figures = train(config)
    assert figures["images"] == 4
    steps = [record for record in records(folder) if record["kind"] == "train"]
    assert steps
    for step in steps:
        parts = {key: value for key, value in step.items() if key in RUNS[name][2]}
        assert parts.keys() == RUNS[name][2]
        assert all(map(math.isfinite, parts.values())), parts
    said = "Teacher has a dictionary of its own: it knows 13 of 31 characters; not"
    assert (said in caplog.text) == (name == "PP-OCRv6_rec_distillation")


@pytest.mark.parametrize(
    "name",
    [
        "PP-OCRv3_mobile_rec",
        "PP-OCRv5_server_rec",
        "PP-OCRv6_rec_distillation",
        "SVTRv2_rec_distillation",
        "PP-OCRv6_tiny_rec_onnx_teacher",
    ],
)
def test_it_ends_in_the_same_bits_when_it_was_stopped(name: str, folder: Path) -> None:
    """Dropout, drop path and sizes of batches too; some layers of PPHGNetV2 have no gradient."""
    steps = ["Global.epoch_num=2", "Global.eval_batch_step=[0,1]"]
    cut = [*steps, "Global.save_model_dir=./output/cut"]
    write_pretrained(narrow(name))
    train(narrow(name, *steps))
    with stopped_at(4):
        train(narrow(name, *cut))
    train(narrow(name, *cut, "Global.checkpoints=./output/cut/latest"))
    first, second = (
        read_parameters(folder / "output" / run / "latest.pdparams") for run in ("run", "cut")
    )
    assert sorted(first) == sorted(second)
    assert [key for key in first if not np.array_equal(first[key], second[key])] == []
