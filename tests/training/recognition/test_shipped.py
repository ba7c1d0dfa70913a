"""The recognition configs that come along are right, and their networks are PaddleOCR's in size."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path

import pytest

from tests.fakes.foreign_model import write_foreign_model
from tests.training.recognition.plans import DICTIONARIES, SHIPPED, write_train_data
from training.check_config import main as check_config
from training.config import load_config
from training.data.planned import Size
from training.plan import read_deployed_plan, read_plan
from training.recognition.features import time_steps
from training.recognition.inputs import deployed_input
from training.sizes import network_sizes
from training.sizes import table as table_of_sizes

ROOT = Path(__file__).resolve().parents[3]
V2 = "ch_PP-OCRv2_rec"
CONFIGS = {path.stem: path for path in sorted(SHIPPED.glob("*.yml"))}
TEACHERS = ("PP-OCRv4_rec_svtr", "PP-OCRv6_small_rec", "RepSVTR_rec", "SVTRv2_rec")
TRAINED = {
    "ch_PP-OCRv2_rec": 2_077_377,
    "PP-OCRv3_mobile_rec": 27_520_068,
    "PP-OCRv4_mobile_rec": 21_071_389,
    "PP-OCRv4_rec_svtr": 20_178_201,
    "PP-OCRv4_server_rec": 37_562_265,
    "PP-OCRv5_mobile_rec": 31_526_029,
    "PP-OCRv5_server_rec": 51_713_409,
    "PP-OCRv6_medium_rec": 55_590_582,
    "PP-OCRv6_small_rec": 29_296_454,
    "PP-OCRv6_tiny_rec": 15_954_302,
    "RepSVTR_rec": 16_285_913,
    "SVTRv2_rec": 30_957_409,
}
"""Parameters of PaddleOCR's networks, counted by the names and shapes of its own checkpoints, which
name the weights of an LSTM twice; of `PP-OCRv4_rec_svtr`, which it cannot build, by our own."""
DEPLOYED = {
    "PP-OCRv6_medium_rec": 19_115_158,
    "PP-OCRv6_small_rec": 5_267_630,
    "PP-OCRv6_tiny_rec": 1_104_494,
}
"""Of PaddleOCR's merged networks."""
PAIRS = {
    "PP-OCRv3_mobile_rec_distillation": ("PP-OCRv3_mobile_rec", "PP-OCRv3_mobile_rec"),
    "PP-OCRv4_mobile_rec_distillation": ("PP-OCRv4_rec_svtr", "PP-OCRv4_mobile_rec"),
    "PP-OCRv6_rec_distillation": ("PP-OCRv6_small_rec", "PP-OCRv6_tiny_rec"),
    "SVTRv2_rec_distillation": ("SVTRv2_rec", "RepSVTR_rec"),
}
"""Teacher and Student of each distillation."""
TAUGHT = {"PP-OCRv6_tiny_rec_onnx_teacher": "PP-OCRv6_tiny_rec"}
"""Student of each that an ONNX file teaches."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the configs find data, dictionaries of the right sizes and trained teachers."""
    folder = tmp_path_factory.mktemp("run")
    write_train_data(folder)
    for name in TEACHERS:
        checkpoint = folder / "output" / name / "best_accuracy.pdparams"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b".")  # how a pickle ends, which is all that is looked at
    write_foreign_model(folder / "teacher_rec.onnx")
    (folder / "configs").mkdir()
    shutil.copy(ROOT / "configs" / "latin_dict.txt", folder / "configs")
    return folder


@pytest.fixture(autouse=True)
def run_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_right_and_stays_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name in TAUGHT:
        pytest.importorskip("onnxruntime", reason="teachers run in it")
    config = load_config(CONFIGS[name])
    before = copy.deepcopy(config.sections)
    plan = read_plan(config)
    assert config.sections == before
    # PaddleOCR needs it, for what its heads return while they learn.
    assert set(plan.without_effect) <= {"PostProcess.multi_head"}
    assert check_config(["-c", str(CONFIGS[name]), "--no-data"]) == 0
    assert capsys.readouterr().out.endswith(f"{CONFIGS[name]}: nothing wrong found\n")


def test_every_config_is_known_here() -> None:
    assert set(CONFIGS) == TRAINED.keys() - {V2} | PAIRS.keys() | TAUGHT.keys()
    page = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    assert all(f"recognition/{name}.yml" in page for name in CONFIGS)


@pytest.mark.parametrize("name", TRAINED)
def test_parameters_are_paddleocr_s_and_stand_in_the_docs(name: str) -> None:
    config = load_config(CONFIGS.get(name) or SHIPPED.parent / f"{name}.yml")
    plan = read_deployed_plan(config)
    (size,) = network_sizes(plan)
    assert size.trained == TRAINED[name]
    assert size.deployed == DEPLOYED.get(name, size.deployed) <= size.trained
    num_characters = DICTIONARIES[Path(config.sections["Global"]["character_dict_path"]).name]
    assert size.num_classes == num_characters + 2
    height, widths = deployed_input(plan.evaluation)
    (network,) = plan.model.networks.values()
    steps = time_steps(network, Size(height, 320), follows_width=True)
    page = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\|.*\[{name}\].*$", page, re.MULTILINE)
    assert [cell.strip() for cell in row.strip("|").split("|")][2:] == [
        *(f"{size.trained:,}", f"{size.deployed:,}", f"{num_characters:,}", f"{height}"),
        f"{steps}" if widths.min_px == widths.max_px else f"W/{320 // steps}",
    ]


@pytest.mark.parametrize("name", PAIRS)
def test_teacher_and_student_are_the_networks_of_their_own_configs(name: str) -> None:
    plan = read_deployed_plan(load_config(CONFIGS[name]))
    for network, single in zip(("Teacher", "Student"), PAIRS[name], strict=True):
        alone = read_deployed_plan(load_config(CONFIGS[single]))
        (expected,) = alone.model.networks.values()
        got = plan.model.networks[network]
        for part in ("backbone", "neck", "head"):
            given, wanted = getattr(got, part), getattr(expected, part)
            assert (given is None) == (wanted is None)
            if given is not None:
                assert (given.name, given.options) == (wanted.name, wanted.options)
        assert plan.task.num_classes_of(got) == alone.task.num_classes_of(expected)


@pytest.mark.parametrize("name", TAUGHT)
def test_a_taught_student_is_the_network_of_its_own_config(name: str) -> None:
    plan = read_deployed_plan(load_config(CONFIGS[name]))
    alone = read_deployed_plan(load_config(CONFIGS[TAUGHT[name]]))
    (expected,) = alone.model.networks.values()
    got = plan.model.networks["Student"]
    assert (got.backbone.options, got.head.options) == (
        *(expected.backbone.options, expected.head.options),
    )
    assert list(plan.model.teachers) == ["Teacher"]
    (size,) = network_sizes(plan)
    assert (size.num_classes, size.deployed) == (220, 562_928)


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(
        CONFIGS["PP-OCRv6_rec_distillation"],
        [
            f"Architecture.Models.{network}.Head.head_list.1.NRTRHead.nrtr_dim=32"
            for network in ("Teacher", "Student")
        ],
    )
    lines = table_of_sizes(list(network_sizes(read_deployed_plan(config)))).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["Teacher", "Student"]
    assert lines[1].split()[2:] == ["5,267,630", "18,710"]
    assert lines[2].split()[2:] == ["1,104,494", "6,906"]
