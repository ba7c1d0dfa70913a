"""The Triton repository, parsed with Triton's own schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from export.recognition.triton import write_repository
from runtime.recognition.spec import RecognizerSpec, WidthPolicy

model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2")
text_format = pytest.importorskip("google.protobuf.text_format")

FP32 = model_config_pb2.TYPE_FP32
AWKWARD = ("a", '"', "\\", "'", "#", "é", "語", "😀", "\t", "\x7f", "\u3000", "\u2028", "{", "0")
SPEC = RecognizerSpec(characters=(*AWKWARD, " "), height=48, provenance={"from": 'C:\\ "über"'})


def repository(
    folder: Path,
    spec: RecognizerSpec = SPEC,
    name: str = "student",
    batch_size: int | None = None,
    widths_px: Sequence[int] = (),
) -> tuple[Path, Any]:
    place = write_repository(folder, name, b"the model", spec, batch_size, widths_px)
    text = (place / "config.pbtxt").read_bytes().decode("ascii")
    return place, text_format.Parse(text, model_config_pb2.ModelConfig())


def warmed_up_px(config: Any) -> list[int]:
    return [sample.inputs["x"].dims[-1] for sample in config.model_warmup]


def test_the_repository_has_tritons_layout(tmp_path: Path) -> None:
    place, config = repository(tmp_path / "models")
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        "models/student/config.pbtxt",
        "models/student/labels.txt",
        "models/student/1/model.onnx",
    }
    assert (place / "1" / "model.onnx").read_bytes() == b"the model"
    assert config.name == place.name == "student"
    assert config.platform == "onnxruntime_onnx"


def test_an_open_batch_is_batched_by_triton(tmp_path: Path) -> None:
    _, config = repository(tmp_path)
    assert config.max_batch_size > 1
    assert config.HasField("dynamic_batching")
    assert config.dynamic_batching.max_queue_delay_microseconds > 0
    (source,), (target,) = config.input, config.output
    assert (source.name, source.data_type, list(source.dims)) == ("x", FP32, [3, 48, -1])
    assert (target.name, target.data_type) == ("probabilities", FP32)
    assert list(target.dims) == [-1, len(AWKWARD) + 2]
    for sample in config.model_warmup:
        assert 1 <= sample.batch_size <= config.max_batch_size
        assert list(sample.inputs["x"].dims[:2]) == [3, 48]


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_fixed_batch_stands_among_the_dimensions(tmp_path: Path, batch_size: int) -> None:
    _, config = repository(tmp_path, batch_size=batch_size)
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert list(config.input[0].dims) == [batch_size, 3, 48, -1]
    assert list(config.output[0].dims) == [batch_size, -1, len(AWKWARD) + 2]
    assert config.model_warmup
    for sample in config.model_warmup:
        assert list(sample.inputs["x"].dims[:3]) == [batch_size, 3, 48]
        # Of a model that Triton does not batch; a sample of 0 is skipped without a word.
        assert sample.batch_size == 1


def test_a_fixed_width_is_the_only_one(tmp_path: Path) -> None:
    spec = RecognizerSpec(characters=("a", "b"), channels=1, width=WidthPolicy(100, 100, 100))
    _, config = repository(tmp_path, spec)
    assert list(config.input[0].dims) == [1, 32, 100]
    assert warmed_up_px(config) == [100]


@pytest.mark.parametrize(
    "policy",
    [
        WidthPolicy(),
        WidthPolicy(32, 64, 3200),
        WidthPolicy(32, 40, 200),
        WidthPolicy(8, 320, 330),
        WidthPolicy(100, 30, 250),
    ],
)
def test_warm_up_meets_the_very_widths_of_the_runtime(tmp_path: Path, policy: WidthPolicy) -> None:
    _, config = repository(tmp_path, RecognizerSpec(characters=("a",), width=policy))
    given = sorted({policy.input_width(width) for width in range(1, policy.max_px + 1)})
    warmed_up = warmed_up_px(config)
    assert warmed_up == given[: len(warmed_up)]
    assert len(warmed_up) == min(len(given), 10)
    assert json.loads(config.parameters["width_buckets"].string_value) == warmed_up
    for sample in config.model_warmup:
        assert sample.inputs["x"].data_type == FP32
        assert sample.inputs["x"].WhichOneof("input_data_type") == "zero_data"
        assert sample.inputs["x"].zero_data
    assert len({warmup.name for warmup in config.model_warmup}) == len(warmed_up)


def test_widths_can_be_named(tmp_path: Path) -> None:
    _, config = repository(tmp_path, widths_px=[320, 96])
    assert warmed_up_px(config) == [320, 96]
    assert json.loads(config.parameters["width_buckets"].string_value) == [320, 96]


def test_every_class_has_its_label(tmp_path: Path) -> None:
    place, config = repository(tmp_path)
    label_file = place / config.output[0].label_filename
    # As Triton reads it: lines end with a line feed and with nothing else.
    labels = label_file.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    assert labels == ["blank", *AWKWARD, " "]
    assert len(labels) == config.output[0].dims[-1]


def test_the_spec_survives_quotes_backslashes_and_characters_beyond_ascii(tmp_path: Path) -> None:
    _, config = repository(tmp_path)
    told = {key: parameter.string_value for key, parameter in config.parameters.items()}
    assert RecognizerSpec.from_metadata(told, "test") == SPEC
    assert told["character"].split("\n") == list(AWKWARD)


@pytest.mark.parametrize("name", ["größe", 'a "b"', "back\\slash", "line 1"])
def test_any_name_survives(tmp_path: Path, name: str) -> None:
    place, config = repository(tmp_path, name=name)
    assert config.name == place.name == name


def test_tensor_names_are_the_models(tmp_path: Path) -> None:
    spec = RecognizerSpec(characters=("a",), input_name="x.1", output_name='soft"max')
    _, config = repository(tmp_path, spec)
    assert (config.input[0].name, config.output[0].name) == ("x.1", 'soft"max')
    assert all(list(sample.inputs) == ["x.1"] for sample in config.model_warmup)


def test_the_same_model_gives_the_same_bytes_and_replaces_the_earlier(tmp_path: Path) -> None:
    first, _ = repository(tmp_path / "one")
    repository(tmp_path / "two", RecognizerSpec(characters=("z",)))
    second, _ = repository(tmp_path / "two")
    for name in ("config.pbtxt", "labels.txt"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
