"""Models that were exported elsewhere: PaddleOCR's folders and ready ONNX files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import paddle
import pytest

from export import adoption
from export.conversion import convert as conversion
from export.conversion.program import save_program
from export.inspection import described
from export.proof.forms import run_of_program
from export.recognition.adopt import adopt
from export.recognition.inference_yml import inference_yml
from runtime.errors import ArtifactError, ConfigError, ParityError
from runtime.recognition.ctc import best_path, decode_best_path
from runtime.recognition.model.spec_of_model import INFERRED_WIDTHS
from runtime.recognition.model.told import Told
from runtime.recognition.preprocess import batch_from_lines, prepare_line
from runtime.recognition.recognizer import Recognizer
from runtime.recognition.session import open_session
from runtime.recognition.spec import RecognizerSpec, WidthPolicy
from tests.runtime.conftest import CHARACTERS as TOY_CHARACTERS
from tests.runtime.conftest import toy_spec, write_toy_model

LISTED = tuple("0123456789é語")
SPEC = RecognizerSpec(characters=(*LISTED, " "))
FIXED = RecognizerSpec(characters=(*LISTED, " "), width=WidthPolicy(96, 96, 96))

ROOT = Path(__file__).resolve().parents[3]


class Reader(paddle.nn.Layer):
    """Averages H x 4 px and tells K classes apart by their colour."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        paddle.seed(7)
        normal = paddle.nn.initializer.Normal(0.0, 25.0)
        self.convolution = paddle.nn.Conv2D(
            3, num_classes, 1, weight_attr=paddle.ParamAttr(initializer=normal)
        )

    def deployed(self, images: paddle.Tensor) -> paddle.Tensor:
        strips = paddle.nn.functional.avg_pool2d(images, [32, 4])
        scores = self.convolution(strips).squeeze(2).transpose([0, 2, 1])
        return paddle.nn.functional.softmax(scores, axis=-1)


def make_folder(folder: Path, spec: RecognizerSpec = SPEC, batch_size: int | None = None) -> None:
    """As PaddleOCR exports it."""
    folder.mkdir()
    with contextlib.suppress(ArtifactError):  # the older format has no inference.json
        save_program(Reader(spec.num_classes), spec, folder, batch_size)
    (folder / "inference.yml").write_text(inference_yml(spec), encoding="utf-8")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as PaddleOCR exports them: `json`, `pdmodel` and, N and W fixed, `fixed`."""
    place = tmp_path_factory.mktemp("programs")
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.export.recognition.test_adopt import make_folder\n"
        "make_folder(Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(place / "pdmodel")],
        cwd=ROOT,
        env={**os.environ, "FLAGS_enable_pir_api": "0"},
        check=True,
        capture_output=True,
    )
    make_folder(place / "json")
    make_folder(place / "fixed", FIXED, 2)
    files = {name: {path.name for path in (place / name).iterdir()} for name in ("json", "pdmodel")}
    assert {"inference.json", "inference.pdiparams", "inference.yml"} <= files["json"]
    assert {"inference.pdmodel", "inference.pdiparams", "inference.yml"} <= files["pdmodel"]
    return place


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A few lines of coloured blocks."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(3)
    paths = []
    for number, (width, height) in enumerate(((60, 32), (200, 40), (333, 20), (96, 32))):
        blocks = rng.integers(0, 256, (1, width // 12, 3), dtype=np.uint8)
        image = np.repeat(np.repeat(blocks, height, axis=0), 12, axis=1)
        paths.append(str(folder / f"{number}.png"))
        cv2.imwrite(paths[-1], image)
    return paths


@pytest.fixture
def folder(programs: Path, tmp_path: Path) -> Path:
    """A copy of `json`, to be spoiled."""
    shutil.copytree(programs / "json", tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture(scope="session")
def raw_once(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """`json` as paddle2onnx leaves it."""
    target = tmp_path_factory.mktemp("raw") / "raw.onnx"
    program = programs / "json" / "inference.json"
    return conversion._paddle2onnx(program, target, conversion.OPSET).SerializeToString()


@pytest.fixture
def at_once(raw_once: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started to convert `json` anew."""

    def loaded(program: Path, target: Path, opset: int) -> onnx.ModelProto:
        assert program.name == "inference.json"
        return onnx.load_from_string(raw_once)

    monkeypatch.setattr(conversion, "_paddle2onnx", loaded)


def dictionary(place: Path, characters: Sequence[str]) -> Path:
    path = place / "dict.txt"
    path.write_text("".join(f"{character}\n" for character in characters), encoding="utf-8")
    return path


def read_in_paddle(program: Path, images: Sequence[str]) -> list[str]:
    run = run_of_program(program)
    texts = []
    for path in images:
        line = prepare_line(cv2.imread(path), SPEC)
        probabilities = run(batch_from_lines([line], SPEC.width.input_width(line.shape[1])))
        texts += [text.text for text in decode_best_path(*best_path(probabilities), SPEC.charset)]
    return texts


def read_in_runtime(model: Path, images: Sequence[str]) -> list[str]:
    with Recognizer(model, device="cpu") as recognizer:
        return [line.text for line in recognizer(images)]


def spec_in(model: Path) -> RecognizerSpec:
    metadata = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    spec = RecognizerSpec.from_metadata(metadata, str(model))
    assert spec is not None
    return spec


# --- PaddleOCR's folders -----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "pdmodel"])
def test_a_folder_reads_the_same_before_and_after(
    programs: Path, images: list[str], tmp_path: Path, form: str
) -> None:
    output = tmp_path / "out" / "model.onnx"
    result = adopt(programs / form, output, images=images)
    before = read_in_paddle(programs / form / f"inference.{form}", images)
    assert any(before) and len(set(before)) == len(before)
    assert read_in_runtime(output, images) == before
    spec = spec_in(output)
    assert (spec.characters, spec.height, spec.width) == (SPEC.characters, 32, INFERRED_WIDTHS)
    assert spec.output_activation == "softmax"
    assert len(spec.weights_sha256) == 64
    assert spec.provenance["adopted_from"] == form
    assert spec.provenance["parity"] == result["parity"]
    assert result["parity"]["num_equal"] == result["parity"]["num_samples"] == len(images)
    assert result["onnx"] == str(output)
    assert result["num_characters"] == len(SPEC.characters)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert [path.name for path in output.parent.iterdir()] == ["model.onnx"]
    assert "described by         its own spec" in described(output)


def test_batch_and_width_that_the_program_fixes_stay_fixed(
    programs: Path, images: list[str], tmp_path: Path
) -> None:
    adopt(programs / "fixed", tmp_path / "model.onnx", images=images)
    model = onnx.load(tmp_path / "model.onnx")
    (source,) = model.graph.input
    assert [size.dim_value for size in source.type.tensor_type.shape.dim] == [2, 3, 32, 96]
    assert spec_in(tmp_path / "model.onnx").width == WidthPolicy(96, 96, 96)
    assert any(read_in_runtime(tmp_path / "model.onnx", images))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("closing", [(), (" ",)])
def test_a_dictionary_with_and_without_the_closing_space(
    folder: Path, images: list[str], tmp_path: Path, closing: tuple[str, ...]
) -> None:
    others = [one.upper() for one in "abcdefghijkl"]
    listed = dictionary(tmp_path, [*others, *closing])
    adopt(folder, tmp_path / "model.onnx", dictionary=listed, images=images)
    assert spec_in(tmp_path / "model.onnx").characters == (*others, " ")


@pytest.mark.usefixtures("at_once")
def test_a_folder_without_inference_yml_needs_dictionary_and_height(
    folder: Path, images: list[str], tmp_path: Path
) -> None:
    (folder / "inference.yml").unlink()
    listed = dictionary(tmp_path, LISTED)
    output = tmp_path / "out" / "model.onnx"
    with pytest.raises(ArtifactError, match=r"expected inference\.yml in it.*--dictionary FILE"):
        adopt(folder, output, images=images)
    with pytest.raises(ArtifactError, match=r"input height: expected inference\.yml.*--height 32"):
        adopt(folder, output, dictionary=listed, images=images)
    assert not output.parent.exists()
    adopt(folder, output, dictionary=listed, told=Told(height_px=32), images=images)
    assert spec_in(output).characters == SPEC.characters
    assert read_in_runtime(output, images) == read_in_paddle(folder / "inference.json", images)


@pytest.mark.usefixtures("at_once")
def test_the_folder_one_stands_in(
    folder: Path, images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    adopt(Path("."), Path("model.onnx"), images=images)
    assert spec_in(folder / "model.onnx").provenance["adopted_from"] == "model"


@pytest.mark.usefixtures("at_once")
def test_another_height_than_the_programs_is_refused(folder: Path, tmp_path: Path) -> None:
    told = "expected H = 48, got one that fixes H = 32"
    with pytest.raises(ArtifactError, match=told):
        adopt(folder, tmp_path / "out" / "model.onnx", told=Told(height_px=48))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("abc", "disagree: expected 4 classes .*, got a head of 14"),
        ("0123456789é語xy", "disagree: expected 15 classes .*, got a head of 14"),
    ],
)
def test_a_wrong_dictionary_is_refused(
    folder: Path, tmp_path: Path, listed: str, told: str
) -> None:
    output = tmp_path / "out" / "model.onnx"
    with pytest.raises(ArtifactError, match=told):
        adopt(folder, output, dictionary=dictionary(tmp_path, listed))
    (folder / "inference.yml").write_text(
        inference_yml(SPEC).replace("  - '0'\n", "").replace("  - '1'\n", "")
    )
    with pytest.raises(ArtifactError, match="disagree: expected 11 classes"):
        adopt(folder, output)
    assert not output.parent.exists()


def test_what_the_folder_lacks_is_named(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "model.onnx"
    params = folder / "inference.pdiparams"
    kept = params.read_bytes()
    params.unlink()
    with pytest.raises(ArtifactError, match=r"inference\.json: expected inference\.pdiparams"):
        adopt(folder, output)
    params.write_bytes(kept)
    (folder / "inference.json").unlink()
    told = r"expected inference\.json or inference\.pdmodel.*got inference\.pdiparams, inference"
    with pytest.raises(ArtifactError, match=told):
        adopt(folder, output)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match="got nothing"):
        adopt(tmp_path / "empty", output)
    with pytest.raises(ArtifactError, match="no such file"):
        adopt(tmp_path / "no such folder", output)
    assert not output.parent.exists()


def test_another_kind_of_model_is_refused(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "model.onnx"
    (folder / "inference.yml").write_text("PostProcess: {name: DBPostProcess}\n")
    with pytest.raises(ArtifactError, match="describes no CTC recogniser"):
        adopt(folder, output)
    assert not output.parent.exists()


@pytest.mark.usefixtures("at_once")
def test_nothing_is_written_when_the_forms_disagree_and_the_earlier_file_stays(
    folder: Path, images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out" / "model.onnx"
    output.parent.mkdir()
    output.write_bytes(b"earlier")

    def shifted(program: Path, *more: Any) -> Callable[..., Any]:
        run = run_of_program(program, *more)
        return lambda batch: run(batch) + np.float32(1e-3)

    monkeypatch.setattr(adoption, "run_of_program", shifted)
    with pytest.raises(ParityError, match="nothing was written"):
        adopt(folder, output, images=images)
    assert [path.name for path in output.parent.iterdir()] == ["model.onnx"]
    assert output.read_bytes() == b"earlier"


@pytest.mark.usefixtures("at_once")
def test_a_file_that_does_not_open_again_is_not_kept(
    folder: Path, images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: Path, *more: Any, **options: Any) -> None:
        assert path.is_file()
        raise ArtifactError("it does not open")

    monkeypatch.setattr(adoption, "read_model", refusing)
    with pytest.raises(ArtifactError, match="does not open"):
        adopt(folder, tmp_path / "out" / "model.onnx", images=images)
    assert not (tmp_path / "out").exists()


# --- ready ONNX files --------------------------------------------------------------------------


def toy(place: Path, **options: Any) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    return write_toy_model(place / "rapid.onnx", **options)


RAPIDOCR = {"character": "\n".join(TOY_CHARACTERS[:-1]), "shape": "3,32,320"}


def test_rapidocrs_file_describes_itself_afterwards_and_reads_the_same(
    images: list[str], tmp_path: Path
) -> None:
    source = toy(tmp_path, metadata=RAPIDOCR)
    output = tmp_path / "out" / "model.ONNX"
    result = adopt(source, output)
    assert read_in_runtime(output, images) == read_in_runtime(source, images)
    assert any(read_in_runtime(output, images))
    assert spec_in(output).characters == TOY_CHARACTERS
    assert spec_in(output).provenance["adopted_from"] == "rapid.onnx"
    assert result["parity"] is None
    metadata = {entry.key: entry.value for entry in onnx.load(output).metadata_props}
    assert metadata["character"] == RAPIDOCR["character"]
    assert metadata["shape"] == RAPIDOCR["shape"]
    assert onnx.load(output).graph == onnx.load(source).graph


def test_the_file_itself_may_be_the_target(tmp_path: Path) -> None:
    source = toy(tmp_path, metadata=RAPIDOCR)
    adopt(source, source)
    assert [path.name for path in tmp_path.iterdir()] == ["rapid.onnx"]
    assert spec_in(source).characters == TOY_CHARACTERS


def test_logits_stay_logits_and_are_told(images: list[str], tmp_path: Path) -> None:
    source = toy(tmp_path, softmax=False)
    listed = dictionary(tmp_path, TOY_CHARACTERS[:-1])
    result = adopt(source, tmp_path / "out" / "model.onnx", dictionary=listed)
    assert result["output_activation"] == "none"
    assert spec_in(tmp_path / "out" / "model.onnx").output_activation == "none"
    with Recognizer(tmp_path / "out" / "model.onnx", device="cpu") as recognizer:
        lines = recognizer(images)
    probable = toy(tmp_path / "probable", metadata=RAPIDOCR)
    assert [line.text for line in lines] == read_in_runtime(probable, images)
    assert all(0 <= line.confidence <= 1 for line in lines)


@pytest.mark.parametrize("closing", [(), (" ",)])
def test_a_dictionary_beside_a_ready_file(tmp_path: Path, closing: tuple[str, ...]) -> None:
    listed = dictionary(tmp_path, [*TOY_CHARACTERS[:-1], *closing])
    adopt(toy(tmp_path), tmp_path / "out.onnx", dictionary=listed)
    assert spec_in(tmp_path / "out.onnx").characters == TOY_CHARACTERS


def test_inference_yml_beside_a_ready_file_gives_the_characters(tmp_path: Path) -> None:
    source = toy(tmp_path)
    (tmp_path / "inference.yml").write_text(inference_yml(toy_spec()), encoding="utf-8")
    adopt(source, tmp_path / "out" / "model.onnx")
    assert spec_in(tmp_path / "out" / "model.onnx").characters == TOY_CHARACTERS


def test_a_ready_file_that_leaves_the_height_open_takes_it_from_outside(
    images: list[str], tmp_path: Path
) -> None:
    source = toy(tmp_path, metadata=RAPIDOCR, input_shape=("N", 3, "H", "W"))
    output = tmp_path / "out" / "model.onnx"
    with pytest.raises(ArtifactError, match="leaves its input height open"):
        adopt(source, output)
    adopt(source, output, told=Told(height_px=32))
    assert spec_in(output).height == 32
    same = toy(tmp_path / "same", metadata=RAPIDOCR)
    assert read_in_runtime(output, images) == read_in_runtime(same, images)


def test_a_height_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    source = toy(tmp_path, metadata=RAPIDOCR)
    with pytest.raises(ConfigError, match=r"--height 48: .* takes lines of 32 px; leave"):
        adopt(source, tmp_path / "out" / "model.onnx", told=Told(height_px=48))
    assert not (tmp_path / "out").exists()
    adopt(source, tmp_path / "out" / "model.onnx", told=Told(height_px=32))


def test_a_fixed_width_and_batch_stay(tmp_path: Path) -> None:
    source = toy(tmp_path, metadata=RAPIDOCR, input_shape=(1, 3, 32, 100))
    adopt(source, tmp_path / "out.onnx")
    assert spec_in(tmp_path / "out.onnx").width == WidthPolicy(100, 100, 100)


def test_a_described_model_is_not_described_again(tmp_path: Path) -> None:
    source = toy(tmp_path, spec=toy_spec())
    with pytest.raises(ArtifactError, match=r"describes itself already.*export inspect"):
        adopt(source, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
    others = [character.upper() for character in TOY_CHARACTERS[:-1]]
    adopt(source, tmp_path / "out.onnx", dictionary=dictionary(tmp_path, others))
    assert spec_in(tmp_path / "out.onnx").characters == (*others, " ")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "does not carry its characters"),
        ({"metadata": {"character": "a\nb"}}, "disagree: expected 3 classes"),
        ({"metadata": {"character": "a\na"}}, "disagree: expected 3 classes"),
    ],
)
def test_a_ready_file_with_no_or_wrong_characters_is_refused(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ArtifactError, match=told):
        adopt(toy(tmp_path, **options), tmp_path / "out" / "model.onnx")
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    source = toy(tmp_path, metadata=RAPIDOCR)
    source.write_bytes(source.read_bytes()[:-100])
    for height_px in (None, 32):
        with pytest.raises(ArtifactError, match=r"rapid\.onnx"):
            adopt(source, tmp_path / "out" / "model.onnx", told=Told(height_px=height_px))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("output", "options", "told"),
    [
        ("model", {}, r"--output .*model: expected the name of an \.onnx file"),
        ("model.pdparams", {}, r"expected the name of an \.onnx file"),
        ("model.onnx", {"opset": 9}, "unsupported opset: expected 11 to 17, got 9"),
        ("model.onnx", {"opset": 18}, "unsupported opset: expected 11 to 17, got 18"),
    ],
)
def test_impossible_arguments_are_told_before_anything_is_done(
    tmp_path: Path, output: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        adopt(tmp_path / "nothing", tmp_path / "out" / output, **options)
    assert not (tmp_path / "out").exists()


def test_the_adopted_file_needs_nothing_beside_it(tmp_path: Path) -> None:
    source = toy(tmp_path / "from", metadata=RAPIDOCR)
    adopt(source, tmp_path / "alone" / "model.onnx")
    shutil.rmtree(tmp_path / "from")
    session = open_session(tmp_path / "alone" / "model.onnx", device="cpu")
    assert session.spec.characters == TOY_CHARACTERS
    session.close()
