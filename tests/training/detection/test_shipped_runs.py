"""The detection configs that come along train, with narrow networks and two pages."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.detection.conftest import toy_spec, write_toy_detector
from tests.training.detection.plans import CROP, HEIGHT, SHIPPED, WIDTH, write_pages
from training.checkpoint.parameters import arrays_of, write_parameters
from training.config import Config, load_config
from training.loop.logs import read_metrics
from training.plan import read_deployed_plan
from training.train import train

SHORT = [
    *("Global.use_gpu=false", "Global.print_batch_step=1", "Global.save_model_dir=./output/run"),
    *("Train.loader.num_workers=0", "Eval.loader.num_workers=0", "Global.epoch_num=1"),
    *("Train.loader.batch_size_per_card=2", "Optimizer.lr.warmup_epoch=0"),
    f"Eval.dataset.transforms.2={{DetResizeForTest: {{image_shape: [{HEIGHT}, {WIDTH}]}}}}",
]
MOBILE = {"Backbone.scale": 0.35, "Neck.out_channels": 16}
SERVER = {"Backbone.layers": 18, "Neck.out_channels": 16}
TABLE = {
    "stem": [4, 8],
    "blocks_s1": [[3, 8, 8, 1, True]],
    "blocks_s2": [[3, 8, 12, 2, False]],
    "blocks_s3": [[5, 12, 16, 2, False]],
    "blocks_s4": [[3, 16, 24, 2, False]],
}
V6 = {"Backbone.net_config": TABLE, "Neck.out_channels": 16, "Head.aux_in_channels": 16}
DB = ("loss_shrink_maps", "loss_threshold_maps", "loss_binary_maps", "loss_cbn")
AUXILIARY = ("loss_aux_maps_p4", "loss_aux_maps_p3", "loss_aux_maps_p2")
EACH = [f"db_{network}_{part}" for network in ("Student", "Student2") for part in DB]
TAUGHT = [f"dila_dbloss_{network}_Teacher" for network in ("Student", "Student2")]
MUTUAL = "dml_thrink_maps_0"
RUNS: dict[str, tuple[Mapping[str, Mapping[str, Any]], set[str]]] = {
    "ch_PP-OCRv2_det_distill": (
        {"Student": MOBILE, "Teacher": SERVER},
        {*(f"DBLoss_Student_{part}" for part in DB), TAUGHT[0]},
    ),
    "PP-OCRv3_det_cml": (
        {"Student": MOBILE, "Student2": MOBILE, "Teacher": SERVER},
        {*EACH, *TAUGHT, MUTUAL},
    ),
    "PP-OCRv4_mobile_det": ({"": {"Backbone.scale": 0.35, "Neck.out_channels": 16}}, {*DB}),
    "PP-OCRv6_medium_det": ({"": V6}, {*DB, *AUXILIARY}),
    "PP-OCRv6_det_distillation": (
        {"Student": V6, "Teacher": V6},
        {*(f"db_Student_{part}" for part in (*DB, *AUXILIARY)), TAUGHT[0], MUTUAL},
    ),
    "PP-OCRv6_tiny_det_onnx_teacher": (
        {"Student": V6},
        {*(f"db_Student_{part}" for part in (*DB, *AUXILIARY)), TAUGHT[0], MUTUAL},
    ),
}
"""Changes of the networks, and the parts of the loss that a record has to have."""


def narrow(name: str) -> Config:
    """A shipped config with narrow networks, small crops and an epoch of one step."""
    overrides = list(SHORT)
    transforms = load_config(SHIPPED / f"{name}.yml").sections["Train"]["dataset"]["transforms"]
    for place, transform in enumerate(transforms):
        (key,) = transform
        if key in ("EastRandomCropData", "RandomCrop"):
            overrides.append(f"Train.dataset.transforms.{place}.{key}.size=[{CROP}, {CROP}]")
    for network, changes in RUNS[name][0].items():
        path = f"Architecture.Models.{network}" if network else "Architecture"
        overrides += [f"{path}.{key}={json.dumps(value)}" for key, value in changes.items()]
    return load_config(SHIPPED / f"{name}.yml", overrides)


def write_pretrained(config: Config) -> None:
    """Write random weights where the config looks for a trained Teacher."""
    plan = read_deployed_plan(config)
    for network in plan.model.networks.values():
        if network.pretrained is not None:
            path = Path(f"{network.pretrained}.pdparams")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_parameters(path, arrays_of(plan.model.build_network(network, 0)))


@pytest.mark.parametrize("name", RUNS)
def test_it_learns(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write_pages(tmp_path, 2)
    write_toy_detector(tmp_path / "teacher_det.onnx", spec=toy_spec())
    config = narrow(name)
    write_pretrained(config)
    assert train(config)["images"] == 2
    (step,) = (
        record for record in read_metrics(Path("output/run/metrics.jsonl")) if "lr" in record
    )
    parts = {key: value for key, value in step.items() if key in RUNS[name][1]}
    assert parts.keys() == RUNS[name][1]
    assert all(map(math.isfinite, parts.values())), parts
