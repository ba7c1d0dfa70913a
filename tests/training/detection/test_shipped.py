"""The detection configs that come along are right, and their networks are PaddleOCR's in size."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest

from tests.runtime.detection.conftest import toy_spec, write_toy_detector
from tests.training.detection.plans import SHIPPED, write_pages
from training.check_config import main as check_config
from training.config import load_config
from training.plan import read_deployed_plan, read_plan
from training.sizes import network_sizes

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = {path.stem: path for path in sorted(SHIPPED.glob("*.yml"))}
TRAINED = {
    "ch_PP-OCRv2_det_student": 595_794,
    "ch_det_res18_db_v2.0": 12_374_754,
    "PP-OCRv3_mobile_det": 615_978,
    "PP-OCRv3_server_det": 32_949_730,
    "PP-OCRv4_mobile_det": 3_570_810,
    "PP-OCRv4_server_det": 28_486_083,
    "PP-OCRv5_mobile_det": 3_570_810,
    "PP-OCRv5_server_det": 26_338_659,
    "PP-OCRv6_medium_det": 16_846_856,
    "PP-OCRv6_small_det": 2_675_708,
    "PP-OCRv6_tiny_det": 523_972,
    "lines": 461_278,
    "lines_further": 461_278,
}
"""Parameters of PaddleOCR's networks, counted by names and shapes of its own checkpoints;
`lines` and `lines_further` are PP-OCRv6_tiny_det without auxiliary heads."""
LARGE = 20_000_000
"""What takes seconds to build."""
DISTILLATIONS = {
    "ch_PP-OCRv2_det_distill": {
        "Student": "ch_PP-OCRv2_det_student",
        "Teacher": "ch_det_res18_db_v2.0",
    },
    "ch_PP-OCRv2_det_dml": {
        "Student": "ch_PP-OCRv2_det_student",
        "Teacher": "ch_PP-OCRv2_det_student",
    },
    "ch_PP-OCRv2_det_cml": {
        "Teacher": "ch_det_res18_db_v2.0",
        "Student": "ch_PP-OCRv2_det_student",
        "Student2": "ch_PP-OCRv2_det_student",
    },
    "PP-OCRv3_det_dml": {"Student": "PP-OCRv3_server_det", "Student2": "PP-OCRv3_server_det"},
    "PP-OCRv3_det_cml": {
        "Student": "PP-OCRv3_mobile_det",
        "Student2": "PP-OCRv3_mobile_det",
        "Teacher": "PP-OCRv3_server_det",
    },
    "PP-OCRv4_det_cml": {
        "Student": "PP-OCRv4_mobile_det",
        "Student2": "PP-OCRv4_mobile_det",
        "Teacher": "PP-OCRv3_server_det",
    },
    "PP-OCRv6_det_distillation": {
        "Student": "PP-OCRv6_tiny_det",
        "Teacher": "PP-OCRv6_small_det",
    },
    "lines_cml": {
        "Student": "PP-OCRv3_mobile_det",
        "Student2": "PP-OCRv3_mobile_det",
        "Teacher": "lines",
    },
}
"""The config that each network of a distillation has alone."""
TAUGHT = {
    "PP-OCRv6_tiny_det_onnx_teacher": {"Student": "PP-OCRv6_tiny_det"},
    "lines_taught": {"Student": "lines"},
}
"""The same of what an ONNX file teaches."""
NARROWER = {"lines_cml": {"backbone": {"scale": 0.35}, "neck": {"out_channels": 48}}}
"""Options of the parts of Students in which they differ from that config."""


@pytest.fixture(autouse=True, scope="module")
def run_there(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Be where the configs find data and trained teachers."""
    folder = tmp_path_factory.mktemp("run")
    write_pages(folder, 1)
    write_toy_detector(folder / "teacher_det.onnx", spec=toy_spec())
    trained = ("ch_det_res18_db_v2.0", "PP-OCRv3_server_det", "PP-OCRv6_small_det")
    checkpoints = [folder / "output" / name / "best_accuracy.pdparams" for name in trained]
    for checkpoint in (*checkpoints, folder / "models" / "lines" / "detector.pdparams"):
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b".")  # how a pickle ends, which is all that is looked at
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_right_and_stays_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name in TAUGHT:
        pytest.importorskip("onnxruntime", reason="teachers run in it")
    config = load_config(CONFIGS[name])
    before = copy.deepcopy(config.sections)
    assert read_plan(config).without_effect == ()
    assert config.sections == before
    assert check_config(["-c", str(CONFIGS[name]), "--no-data"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said.pop() == f"{CONFIGS[name]}: nothing wrong found"
    assert len(said) == (name in TAUGHT)


def test_every_config_is_known_here() -> None:
    assert set(CONFIGS) == TRAINED.keys() | DISTILLATIONS.keys() | TAUGHT.keys()
    page = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    assert all(f"detection/{name}.yml" in page for name in CONFIGS)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if count > LARGE else [])
        for name, count in TRAINED.items()
    ],
)
def test_parameters_are_paddleocr_s_and_stand_in_the_docs(name: str) -> None:
    (size,) = network_sizes(read_deployed_plan(load_config(CONFIGS[name])))
    assert size.trained == TRAINED[name] and size.num_classes == 0
    assert size.deployed < size.trained
    page = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\|.*\[{re.escape(name)}\].*$", page, re.MULTILINE)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:4] == [f"{size.trained:,}", f"{size.deployed:,}"]


@pytest.mark.parametrize("name", [*DISTILLATIONS, *TAUGHT])
def test_networks_of_a_distillation_are_those_of_their_own_configs(name: str) -> None:
    plan = read_deployed_plan(load_config(CONFIGS[name]))
    wanted_networks = {**DISTILLATIONS, **TAUGHT}[name]
    assert list(plan.model.networks) == list(wanted_networks)
    for network, single in wanted_networks.items():
        alone = read_deployed_plan(load_config(CONFIGS[single]))
        (expected,) = alone.model.networks.values()
        got = plan.model.networks[network]
        for part in ("backbone", "neck", "head"):
            given, wanted = getattr(got, part), getattr(expected, part)
            options = {key: value for key, value in wanted.options.items() if key != "fix_nan"}
            if network != "Teacher":
                options |= NARROWER.get(name, {}).get(part, {})
            kept = {key: value for key, value in given.options.items() if key != "fix_nan"}
            assert (given.name, kept) == (wanted.name, options)


def test_a_longer_run_needs_its_maps_told() -> None:
    from runtime.errors import ConfigError

    config = load_config(CONFIGS["PP-OCRv4_mobile_det"], ["Global.epoch_num=600"])
    with pytest.raises(ConfigError, match="total_epoch: expected 600, the epochs of the run"):
        read_plan(config)
