"""Several forms, their accuracy and the picture of the worst lines."""

import cv2
import numpy as np
import pytest

from export.chain import Source
from export.proof.report import VerifyOptions, verify
from export.recognition.samples import rendered_lines
from runtime.errors import ArtifactError, ParityError
from runtime.recognition.spec import RecognizerSpec

CHARSET = RecognizerSpec(characters=tuple("0123456789 ")).charset


@pytest.fixture
def crops(tmp_path):
    """Six rendered lines and a file that is no image, with labels for four of them."""
    folder = tmp_path / "crops"
    folder.mkdir()
    lines, _ = rendered_lines(CHARSET)
    for number, line in enumerate(lines[:6]):
        cv2.imwrite(str(folder / f"{number}.png"), line)
    (folder / "broken.png").write_bytes(b"no image")
    labels = "".join(f"{number}.png\t{number}\n" for number in range(4))
    (folder / "labels.txt").write_text(labels, encoding="utf-8")
    return folder


def test_a_checkpoint_against_its_onnx_with_labels_and_a_picture(
    small_config, checkpoint, exported, crops, tmp_path
):
    report = verify(
        VerifyOptions(
            models=[exported[0] / "student.onnx"],
            source=Source(small_config, checkpoint, "Student"),
            images=[crops],
            labels=crops / "labels.txt",
            picture=tmp_path / "worst.png",
        )
    )
    assert (report["reference"], report["passed"], report["num_unreadable"]) == ("paddle", True, 1)
    (one,) = report["comparisons"]
    assert (one["num_samples"], one["num_equal"], one["tolerance"]) == (6, 6, 1e-5)
    accuracy = report["accuracy"]
    assert accuracy["num_labelled"] == 4
    assert accuracy["forms"]["paddle"] == accuracy["forms"][one["candidate"]]
    picture = cv2.imread(str(tmp_path / "worst.png"))
    assert picture is not None
    assert np.ptp(picture) > 200, "lines and text are on it"


def test_accuracy_counts_exact_texts(exported, crops, tmp_path):
    from runtime.recognition.recognizer import Recognizer

    model = exported[0] / "student.onnx"
    paths = [crops / f"{number}.png" for number in range(4)]
    with Recognizer(model, device="cpu") as recognizer:
        texts = [result.text for result in recognizer(paths)]
    texts[0] += "9"
    labels = "".join(f"{path.name}\t{text}\n" for path, text in zip(paths, texts, strict=True))
    (crops / "labels.txt").write_text(labels, encoding="utf-8")
    options = VerifyOptions([model, model], images=[crops], labels=crops / "labels.txt")
    figures = verify(options)["accuracy"]["forms"][str(model)]
    assert figures["acc"] == pytest.approx(0.75, abs=1e-4)
    assert 0.75 < figures["norm_edit_dis"] < 1


def test_a_tolerance_may_be_stated(exported):
    model = exported[0] / "student.onnx"
    assert verify(VerifyOptions([model, model], tolerance=0.0))["passed"]


def test_models_of_other_characters_are_no_forms_of_one_network(exported, tmp_path):
    from export.conversion.graph import describe
    from export.conversion.onnx_file import load_model

    model = load_model(exported[0] / "student.onnx")
    describe(model, RecognizerSpec(characters=tuple("9876543210 ")))
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="not forms of one network: expected characters"):
        verify(VerifyOptions([exported[0] / "student.onnx", tmp_path / "other.onnx"]))


def test_images_and_labels_that_fit_nothing_are_told(exported, crops, tmp_path):
    model = exported[0] / "student.onnx"
    with pytest.raises(ParityError, match="no readable image"):
        verify(VerifyOptions([model, model], images=[crops / "broken.png"]))
    (tmp_path / "elsewhere.txt").write_text("0.png\t0\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="none of the images has a label"):
        verify(VerifyOptions([model, model], images=[crops], labels=tmp_path / "elsewhere.txt"))


def test_an_fp16_model_is_held_against_its_fp32_form_with_its_rounding(small_student, tmp_path):
    from export.commands.precision import convert_file

    half = tmp_path / "student_fp16.onnx"
    assert convert_file(small_student, half, ["images"])["achieved"] == "fp16"
    (one,) = verify(VerifyOptions([small_student, half], images=["images"]))["comparisons"]
    assert one["passed"] and one["num_equal"] == 20
    assert one["tolerance"] == 0.05
    assert 1e-4 < one["max_difference"] < 0.05, "FP32 arithmetic would hide the rounding"


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_beyond_the_tolerance_rounding_decides(
    small_config, checkpoint, exported, tmp_path, monkeypatch, from_checkpoint
):
    import onnx

    from export.proof import report
    from tests.export.wrong_conversions import changed, scaled_layer

    # As if the network amplified rounding: the tolerance is below what FP32 resolves.
    monkeypatch.setattr(report, "TOLERANCE", 1e-9)
    good, other = exported[0] / "student.onnx", tmp_path / "other.onnx"
    source = Source(small_config, checkpoint, "Student") if from_checkpoint else None
    unlike = onnx.load(good)
    unlike.graph.node[0].name = "other"
    for content, is_right in (
        (unlike.SerializeToString(), True),
        (changed(unlike, scaled_layer(1.01, number=-1)), False),
    ):
        other.write_bytes(content)
        options = VerifyOptions([good, other], source, images=["images"])
        result = verify(options)["comparisons"][-1]
        assert result["passed"] == is_right
        if from_checkpoint or not is_right:
            assert (result["rounding"]["typical"] < 2) == is_right
