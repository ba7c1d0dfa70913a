"""Every shipped detection network has PaddleOCR's names and shapes, as trained and as deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.beside import PADDLEOCR_NUMBERS, paddleocr_numbers
from tests.families import FULL_SIZE
from training import build_model
from training.backbones.reparameterise import drop_training_parts, reparameterise

_MOBILE_V3 = {"name": "MobileNetV3", "scale": 0.5, "model_name": "large", "disable_se": True}
_RESNET = {"name": "ResNet_vd", "in_channels": 3, "layers": 50}
_LCNET = {"name": "PPLCNetV3", "scale": 0.75, "det": True}
_RSE_FPN = {"name": "RSEFPN", "out_channels": 96, "shortcut": True}
_LK_PAN = {"name": "LKPAN", "out_channels": 256}
_HEAD = {"name": "DBHead", "k": 50}
_WIDE_HEAD = {**_HEAD, "kernel_list": [7, 2, 2]}
_PF_HEAD = {"name": "PFHeadLocal", "k": 50, "mode": "large"}


def network(backbone: Any, neck: Any, head: Any) -> dict[str, Any]:
    return {"Backbone": backbone, "Neck": neck, "Head": head}


def v6(tier: str, neck: dict[str, Any]) -> dict[str, Any]:
    head = {**_HEAD, "fix_nan": True, "aux_in_channels": neck["out_channels"]}
    return network({"name": "PPLCNetV4", "det": True, "model_size": tier}, neck, head)


STUDENT_V2 = network(_MOBILE_V3, {"name": "DBFPN", "out_channels": 96}, _HEAD)
TEACHER_V2 = network(
    {"name": "ResNet_vd", "layers": 18}, {"name": "DBFPN", "out_channels": 256}, _HEAD
)
STUDENT_V3 = network(_MOBILE_V3, _RSE_FPN, _HEAD)
TEACHER_V3 = network(_RESNET, _LK_PAN, _WIDE_HEAD)
STUDENT_V4 = network(_LCNET, _RSE_FPN, _HEAD)
SERVER_V4 = network({"name": "PPHGNet_small", "det": True}, {**_LK_PAN, "intracl": True}, _PF_HEAD)
SERVER_V5 = network({"name": "PPHGNetV2_B4", "det": True}, {**_LK_PAN, "intracl": True}, _PF_HEAD)
TIERS = {
    "tiny": v6("tiny", {"name": "RepLKFPN", "out_channels": 64, "dilated_kernel_size": 5}),
    "small": v6("small", {"name": "RepLKFPN", "out_channels": 96, "dilated_kernel_size": 7}),
    "medium": v6("medium", {"name": "RepLKPAN", "out_channels": 256, "intracl": True}),
}
PAIR_V2 = {"Student": STUDENT_V2, "Student2": STUDENT_V2, "Teacher": TEACHER_V2}
CONFIGS: dict[str, dict[str, Any]] = {
    "ch_PP-OCRv2__ch_PP-OCRv2_det_student": {"": STUDENT_V2},
    "ch_PP-OCRv2__ch_PP-OCRv2_det_dml": {"Student": STUDENT_V2, "Teacher": STUDENT_V2},
    "ch_PP-OCRv2__ch_PP-OCRv2_det_distill": {"Student": STUDENT_V2, "Teacher": TEACHER_V2},
    "ch_PP-OCRv2__ch_PP-OCRv2_det_cml": PAIR_V2,
    "PP-OCRv3__PP-OCRv3_mobile_det": {"": STUDENT_V3},
    "PP-OCRv3__PP-OCRv3_server_det": {"": TEACHER_V3},
    "PP-OCRv3__PP-OCRv3_det_dml": {"Student": TEACHER_V3, "Student2": TEACHER_V3},
    "PP-OCRv3__PP-OCRv3_det_cml": {
        "Student": STUDENT_V3,
        "Student2": STUDENT_V3,
        "Teacher": TEACHER_V3,
    },
    "PP-OCRv4__PP-OCRv4_mobile_det": {"": STUDENT_V4},
    "PP-OCRv4__PP-OCRv4_mobile_seal_det": {"": STUDENT_V4},
    "PP-OCRv4__PP-OCRv4_server_det": {"": SERVER_V4},
    "PP-OCRv4__PP-OCRv4_server_seal_det": {"": SERVER_V4},
    "PP-OCRv4__PP-OCRv4_det_cml": {
        "Student": STUDENT_V4,
        "Student2": STUDENT_V4,
        "Teacher": TEACHER_V3,
    },
    "PP-OCRv5__PP-OCRv5_mobile_det": {"": STUDENT_V4},
    "PP-OCRv5__PP-OCRv5_server_det": {"": SERVER_V5},
    **{f"PP-OCRv6__PP-OCRv6_{tier}_det": {"": section} for tier, section in TIERS.items()},
}
DEPLOYED = {"tiny": 428_405, "small": 2_453_353, "medium": 15_488_353}
"""How many values PaddleOCR deploys."""


def shapes(layer: Any) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in layer.state_dict().items()}


def shipped(case: str) -> dict[str, list[int]]:
    path = paddleocr_numbers("keys_v3_to_v6") / f"{case}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    if "as" in content:
        return shipped(content["as"])
    keys: dict[str, list[int]] = content.get("keys", content)
    return keys


def of_network(keys: dict[str, list[int]], name: str) -> dict[str, list[int]]:
    prefix = f"{name}." if name else ""
    return {
        key.removeprefix(prefix): shape for key, shape in keys.items() if key.startswith(prefix)
    }


@pytest.fixture(scope="module")
def built() -> dict[str, dict[str, list[int]]]:
    return {}


@pytest.mark.parametrize("config", CONFIGS)
def test_every_name_and_shape(config: str, built: dict[str, dict[str, list[int]]]) -> None:
    wanted = shipped(f"up2026__det__{config}")
    networks = CONFIGS[config]
    assert {key.partition(".")[0] for key in wanted} == set(networks) or "" in networks
    for name, section in networks.items():
        key = json.dumps(section)
        if key not in built:  # several configs have the same networks
            built[key] = shapes(build_model({"model_type": "det", **section}))
        assert built[key] == of_network(wanted, name)


@pytest.mark.parametrize("tier", TIERS)
def test_merged_and_deployed_names(tier: str) -> None:
    model = build_model({"model_type": "det", **TIERS[tier]})
    model.eval()
    reparameterise(model)
    assert shapes(model) == shipped(f"PP-OCRv6_{tier}_det.fused")
    dropped = drop_training_parts(model)
    assert len(dropped) == 7 and all(name.startswith("head.") for name in dropped)
    assert sum(parameter.size for parameter in model.parameters()) == DEPLOYED[tier]


def folders() -> list[Path]:
    numbers = PADDLEOCR_NUMBERS / "full_size"
    return sorted(path for path in (FULL_SIZE, numbers) if path.is_dir())


def test_every_shipped_section_is_read() -> None:
    sections = [
        yaml.safe_load((path / "config.yml").read_text(encoding="utf-8"))["Architecture"]
        for folder in folders()
        for path in folder.glob("*_det*")
    ]
    assert sections
    for section in sections:
        assert list(build_model(section).parameters())
