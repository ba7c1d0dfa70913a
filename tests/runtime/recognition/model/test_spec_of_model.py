"""Models with and without a spec, through real files and onnxruntime."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import ArtifactError
from runtime.recognition.model.listed import charset_for_head
from runtime.recognition.model.spec_of_model import INFERRED_WIDTHS
from runtime.recognition.session import open_session
from runtime.recognition.spec import RecognizerSpec

pytest.importorskip("onnxruntime", reason="models are opened with it")

ToyModel = Callable[..., Path]
LISTED = [*"abcdefghij日本語é"]
WITH_SPACE = len(LISTED) + 2


def dictionary(folder: Path, characters: list[str]) -> Path:
    path = folder / "dict.txt"
    path.write_text("\n".join(characters) + "\n", encoding="utf-8")
    return path


def test_the_models_own_spec_is_used(toy_path: Path, spec: RecognizerSpec) -> None:
    assert open_session(toy_path).spec == spec


def test_rapidocr_metadata_gives_the_characters(toy_model: ToyModel) -> None:
    path = toy_model(metadata={"character": "\n".join(LISTED)}, input_shape=("N", 3, 48, "W"))
    spec = open_session(path).spec
    assert spec.characters == (*LISTED, " ")
    assert (spec.height, spec.width, spec.output_activation) == (48, INFERRED_WIDTHS, "softmax")


@pytest.mark.parametrize("declares_classes", [True, False])
def test_a_dictionary_gives_the_characters(
    toy_model: ToyModel, tmp_path: Path, declares_classes: bool
) -> None:
    for listed, num_classes in ((LISTED, WITH_SPACE), ([*LISTED, " "], WITH_SPACE)):
        path = toy_model(num_classes=num_classes, declares_classes=declares_classes)
        session = open_session(path, dictionary(tmp_path, listed))
        assert session.spec.characters == (*LISTED, " ")
    path = toy_model(num_classes=WITH_SPACE - 1, declares_classes=declares_classes)
    assert open_session(path, dictionary(tmp_path, LISTED)).spec.characters == tuple(LISTED)


def test_logits_are_told_from_probabilities(toy_model: ToyModel, tmp_path: Path) -> None:
    path = toy_model(softmax=False)
    assert open_session(path, dictionary(tmp_path, LISTED)).spec.output_activation == "none"


def test_a_fixed_width_becomes_the_policy(toy_model: ToyModel, tmp_path: Path) -> None:
    path = toy_model(input_shape=(1, 3, 32, 100))
    policy = open_session(path, dictionary(tmp_path, LISTED)).spec.width
    assert policy.input_width(policy.content_width(32, 5, 32)) == 100
    assert policy.content_width(32, 500, 32) == 100


def inference_yml(folder: Path, characters: list[str], told: str = "RecResizeImg") -> Path:
    """As PaddleOCR writes it beside the models that it exports."""
    listed = "".join(f"  - '{character}'\n" for character in characters)
    path = folder / "inference.yml"
    path.write_text(
        f"PreProcess:\n  transform_ops:\n  - {told}: {{image_shape: [3, 32, 320]}}\n"
        f"PostProcess:\n  name: CTCLabelDecode\n  character_dict:\n{listed}",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("declares_classes", [True, False])
def test_paddleocrs_file_beside_the_model_gives_the_characters(
    toy_model: ToyModel, tmp_path: Path, declares_classes: bool
) -> None:
    inference_yml(tmp_path, LISTED)
    for num_classes, characters in ((WITH_SPACE, [*LISTED, " "]), (WITH_SPACE - 1, LISTED)):
        path = toy_model(num_classes=num_classes, declares_classes=declares_classes)
        assert open_session(path).spec.characters == tuple(characters)


def test_what_is_nearer_to_the_model_wins_over_the_file_beside_it(
    toy_model: ToyModel, tmp_path: Path, spec: RecognizerSpec
) -> None:
    others = [character.upper() for character in LISTED]
    inference_yml(tmp_path, others)
    assert open_session(toy_model(spec=spec)).spec == spec
    path = toy_model(metadata={"character": "\n".join(LISTED)})
    assert open_session(path).spec.characters == (*LISTED, " ")
    path = toy_model()
    assert open_session(path).spec.characters == (*others, " ")
    assert open_session(path, dictionary(tmp_path, LISTED)).spec.characters == (*LISTED, " ")


def test_a_useless_file_beside_the_model_is_told_and_a_dictionary_helps(
    toy_model: ToyModel, tmp_path: Path, spec: RecognizerSpec
) -> None:
    inference_yml(tmp_path, LISTED, told="DetResizeForTest")
    with pytest.raises(ArtifactError, match=r"inference\.yml describes no CTC recogniser"):
        open_session(toy_model())
    inference_yml(tmp_path, [*"xyz"])
    with pytest.raises(ArtifactError, match=r"disagree: expected 4 classes .*, got a head of 16"):
        open_session(toy_model())
    (tmp_path / "inference.yml").write_bytes(b"a: [")
    with pytest.raises(ArtifactError, match=r"inference\.yml is damaged"):
        open_session(toy_model())
    path = dictionary(tmp_path, LISTED)
    assert open_session(toy_model(), path).spec.characters == (*LISTED, " ")
    assert open_session(toy_model(spec=spec)).spec == spec


def test_a_file_beside_another_folders_model_is_nobodys(
    toy_model: ToyModel, tmp_path: Path
) -> None:
    inference_yml(tmp_path.parent, LISTED)
    try:
        with pytest.raises(ArtifactError, match="does not carry its characters"):
            open_session(toy_model())
    finally:
        (tmp_path.parent / "inference.yml").unlink()


def test_no_characters_anywhere_is_refused(toy_model: ToyModel) -> None:
    with pytest.raises(ArtifactError, match=r"does not carry its characters.*--dictionary"):
        open_session(toy_model())


@pytest.mark.parametrize("carries_spec", [True, False])
@pytest.mark.parametrize("declares_classes", [True, False])
def test_a_dictionary_of_another_size_is_refused(
    toy_model: ToyModel,
    tmp_path: Path,
    spec: RecognizerSpec,
    carries_spec: bool,
    declares_classes: bool,
) -> None:
    path = toy_model(spec=spec if carries_spec else None, declares_classes=declares_classes)
    with pytest.raises(ArtifactError, match=r"disagree: expected 4 classes .*, got a head of 16"):
        open_session(path, dictionary(tmp_path, [*"xyz"]))


def test_a_dictionary_wins_over_the_models_characters_and_says_so(
    toy_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    others = [character.upper() for character in LISTED]
    with caplog.at_level(logging.WARNING):
        session = open_session(toy_path, dictionary(tmp_path, others))
    assert session.spec.characters[:3] == ("A", "B", "C")
    assert "not from the model" in caplog.text


@pytest.mark.parametrize("declares_classes", [True, False])
def test_a_spec_that_contradicts_the_head_is_refused(
    toy_model: ToyModel, make_spec: Callable[..., RecognizerSpec], declares_classes: bool
) -> None:
    path = toy_model(
        spec=make_spec(characters=tuple("abc")), num_classes=5, declares_classes=declares_classes
    )
    with pytest.raises(ArtifactError, match=r"got a head of 5.*set use_space_char to true"):
        open_session(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"height": 48}, "expected H = 48, got 32"),
        ({"channels": 1}, "expected C = 1, got 3"),
        ({"input_name": "image"}, "expected tensors image -> probabilities, got x -> prob"),
        ({"output_name": "logits"}, "no output of the name expected, logits: got probabilities"),
    ],
)
def test_a_spec_that_contradicts_the_tensors_is_refused(
    toy_model: ToyModel,
    make_spec: Callable[..., RecognizerSpec],
    changes: dict[str, object],
    reason: str,
) -> None:
    with pytest.raises(ArtifactError, match=reason):
        open_session(toy_model(spec=make_spec(**changes)))


def test_an_open_height_is_refused(toy_model: ToyModel, tmp_path: Path) -> None:
    path = toy_model(input_shape=("N", 3, "H", "W"))
    with pytest.raises(ArtifactError, match="leaves its input height open"):
        open_session(path, dictionary(tmp_path, LISTED))


@pytest.mark.parametrize("from_dictionary", [True, False])
def test_an_open_height_is_taken_from_the_file_beside(
    toy_model: ToyModel, tmp_path: Path, from_dictionary: bool
) -> None:
    inference_yml(tmp_path, LISTED)
    path = toy_model(input_shape=("N", 3, "H", "W"))
    given = dictionary(tmp_path, LISTED) if from_dictionary else None
    spec = open_session(path, given).spec
    assert (spec.height, spec.characters) == (32, (*LISTED, " "))


def test_characters_written_with_carriage_returns(toy_model: ToyModel) -> None:
    path = toy_model(metadata={"character": "\r\n".join(LISTED) + "\r\n"})
    assert open_session(path).spec.characters == (*LISTED, " ")


def test_the_space_is_appended_only_for_a_class_of_its_own() -> None:
    assert charset_for_head(["a", "b"], 3, "m").characters == ("a", "b")
    assert charset_for_head(["a", "b"], 4, "m").characters == ("a", "b", " ")
    assert charset_for_head(["a", " "], 4, "m").characters == ("a", " ", " ")
