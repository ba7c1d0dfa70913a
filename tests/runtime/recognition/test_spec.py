import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ArtifactError
from runtime.recognition.spec import SPEC_KEY, RecognizerSpec, WidthPolicy
from runtime.spec import MAX_METADATA_LENGTH
from tests.fakes.anything import ANYTHING, RELAXED
from tests.runtime.conftest import toy_spec

sizes = st.integers(1, 100_000)
policies = st.builds(
    lambda step, low, more: WidthPolicy(step, low, low + more),
    st.integers(1, 64),
    st.integers(1, 640),
    st.integers(0, 4000),
)


@given(policies, sizes, sizes, st.sampled_from([32, 48, 64]))
def test_the_line_always_fits_the_input(
    policy: WidthPolicy, image_height: int, image_width: int, height: int
) -> None:
    content = policy.content_width(image_height, image_width, height)
    width = policy.input_width(content)
    assert 1 <= content <= width <= policy.max_px
    assert width >= policy.min_px
    assert width % policy.step_px == 0 or width == policy.max_px
    # No wider than asked: one step less would not hold the line or the least width.
    assert width - policy.step_px < max(content, policy.min_px)


@given(sizes, sizes, st.sampled_from([32, 48]))
def test_content_width_is_paddleocrs(image_height: int, image_width: int, height: int) -> None:
    expected = math.ceil(height * (image_width / float(image_height)))
    assert WidthPolicy().content_width(image_height, image_width, height) == min(expected, 3200)


@given(policies, st.integers(1, 5000), st.integers(1, 5000))
def test_a_wider_line_never_gets_a_narrower_input(policy: WidthPolicy, one: int, two: int) -> None:
    assert policy.input_width(min(one, two)) <= policy.input_width(max(one, two))


@pytest.mark.parametrize("policy", [(0, 1, 2), (1, 0, 2), (1, 3, 2), (-1, 1, 2)])
def test_an_impossible_policy_is_refused(policy: tuple[int, int, int]) -> None:
    with pytest.raises(ArtifactError, match="impossible width policy"):
        WidthPolicy(*policy)


def test_metadata_brings_the_same_spec_back(make_spec: Callable[..., RecognizerSpec]) -> None:
    spec = make_spec(
        height=48,
        width=WidthPolicy(8, 16, 960),
        weights_sha256="ab" * 32,
        provenance={"parity": 1e-6},
    )
    metadata = spec.to_metadata()
    assert all(isinstance(value, str) for value in metadata.values())
    assert RecognizerSpec.from_metadata(metadata, "m.onnx") == spec


def test_the_characters_stand_as_rapidocr_reads_them(spec: RecognizerSpec) -> None:
    listed = spec.to_metadata()["character"].split("\n")
    assert [*listed, " "] == list(spec.characters)


def test_no_spec_is_none() -> None:
    assert RecognizerSpec.from_metadata({"character": "a\nb"}, "m.onnx") is None


def test_entries_of_no_meaning_here_are_passed_over(spec_entries: dict[str, object]) -> None:
    spec_entries["added_later_within_the_format"] = 1
    read = RecognizerSpec.from_metadata({SPEC_KEY: json.dumps(spec_entries)}, "m.onnx")
    assert read is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format_version": 99}, "format 99, this program reads up to 1"),
        ({"format_version": None}, "format_version: expected a whole number from 1 to 1"),
        ({"format_version": "1"}, "format_version: .* got '1'"),
        ({"width": {"step": 1}}, "width policy: step_px: expected a whole number .* got None"),
        ({"width": 3}, "width: expected an object, got 3"),
        ({"width": {"step_px": 8, "min_px": 32, "max_px": 10**9}}, "max_px: .* 65536, got 10000"),
        ({"width": {"step_px": 8, "min_px": -32, "max_px": 320}}, "min_px: .* got -32"),
        ({"width": {"step_px": 8, "min_px": 64, "max_px": 32}}, "min_px <= max_px, got 64 and 32"),
        ({"width": {"step_px": 1.5, "min_px": 32, "max_px": 32}}, "step_px: .* got 1.5"),
        ({"characters": None}, "characters: expected a list of characters, got None"),
        ({"characters": "abc"}, "characters: expected a list of characters, got 'abc'"),
        ({"characters": []}, "characters: expected a list of 1 to 262144"),
        ({"characters": ["a", 1]}, "characters: expected a list of 1 to"),
        ({"characters": ["a", None]}, "characters: expected a list of 1 to"),
        ({"characters": ["a", "\ud800"]}, "characters: expected a list of 1 to"),
        ({"characters": ["a", "b" * 65]}, "each a text of up to 64 code points"),
        ({"characters": ["a"] * 262_145}, "characters: expected a list of 1 to 262144"),
        ({"height": 0}, "height: expected a whole number from 1 to 1024, got 0"),
        ({"height": -48}, "height: .* got -48"),
        ({"height": 10**9}, "height: .* got 1000000000"),
        ({"height": 48.0}, r"height: .* got 48\.0"),
        ({"height": True}, "height: .* got True"),
        ({"channels": 2}, "channels: expected 1 or 3, got 2"),
        ({"color_order": "HSV"}, "color_order: expected 'BGR' or 'RGB', got 'HSV'"),
        ({"mean": math.nan}, "mean: expected a number from -1e.06 to 1e.06, got nan"),
        ({"mean": [0.5, 0.5, 0.5]}, r"mean: expected a number .*, got \[0\.5"),
        ({"std": 0}, "std: expected a number from 1e-06 to 1e.06, got 0"),
        ({"std": math.inf}, "std: .* got inf"),
        ({"std": -0.5}, r"std: .* got -0\.5"),
        ({"blank_index": 5}, "blank_index: expected 0, got 5"),
        ({"output_activation": "relu"}, "output_activation: expected 'softmax' or 'none'"),
        ({"output_activation": ["softmax"]}, "output_activation: expected 'softmax' or 'none'"),
        ({"resize": "cubic"}, "resize: expected 'bilinear' or 'area'"),
        ({"input_name": ""}, "input_name: expected a text"),
        ({"network": 7}, "network: expected a text"),
        ({"weights_sha256": "abc"}, "weights_sha256: expected 64 hexadecimal digits or nothing"),
        ({"config_sha256": None}, "config_sha256: expected 64 hexadecimal digits"),
        ({"provenance": "none"}, "provenance: expected an object of texts.*got 'none'"),
        ({"provenance": {"a": ["\ud800"]}}, "provenance: expected an object of texts"),
    ],
)
def test_a_damaged_spec_is_refused(
    spec_entries: dict[str, object], change: dict[str, object], reason: str
) -> None:
    metadata = {SPEC_KEY: json.dumps({**spec_entries, **change})}
    with pytest.raises(ArtifactError, match=reason):
        RecognizerSpec.from_metadata(metadata, "m.onnx")


@pytest.mark.parametrize(
    "said",
    ["{", "", "[" * 100_000, "1" * 5000, " " * (MAX_METADATA_LENGTH + 1)],
)
def test_metadata_that_is_no_json_is_refused(said: str) -> None:
    with pytest.raises(ArtifactError, match=r"m\.onnx.*damaged: expected ") as error:
        RecognizerSpec.from_metadata({SPEC_KEY: said}, "m.onnx")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("said", ["null", "[]", "7", "NaN", '"words"'])
def test_metadata_that_is_no_object_is_refused(said: str) -> None:
    with pytest.raises(ArtifactError, match=r"m\.onnx: .* damaged: expected an object, got "):
        RecognizerSpec.from_metadata({SPEC_KEY: said}, "m.onnx")


ENTRIES: dict[str, object] = json.loads(toy_spec().to_metadata()[SPEC_KEY])


@given(st.sampled_from([*ENTRIES, "width.step_px", "width.min_px", "width.max_px"]), ANYTHING)
@RELAXED
def test_anything_in_any_field_is_a_spec_or_one_error(name: str, value: object) -> None:
    entries = json.loads(json.dumps(ENTRIES))
    part, _, inner = name.partition(".")
    if inner:
        entries[part][inner] = value
    else:
        entries[part] = value
    try:
        spec = RecognizerSpec.from_metadata({SPEC_KEY: json.dumps(entries)}, "m.onnx")
    except ArtifactError as error:
        assert str(error).startswith("m.onnx: ") and "\n" not in str(error)
        assert part in str(error) or "format" in str(error)
        str(error).encode()
        return
    assert spec is not None
    # What is accepted can be used: no line takes more than these sizes allow.
    width_px = spec.width.input_width(spec.width.content_width(10, 100_000, spec.height))
    assert 0 < width_px <= 65_536 and 0 < spec.height <= 1024
    assert math.isfinite((1 - spec.mean) / spec.std)
    assert spec.charset.num_classes == spec.num_classes
    for said in spec.to_metadata().values():
        said.encode()


@given(ANYTHING)
@RELAXED
def test_anything_instead_of_the_entries_is_one_error(value: object) -> None:
    with pytest.raises(ArtifactError, match=r"^m\.onnx: "):
        RecognizerSpec.from_metadata({SPEC_KEY: json.dumps(value)}, "m.onnx")


def test_charset_and_classes_agree(spec: RecognizerSpec) -> None:
    assert spec.num_classes == spec.charset.num_classes
    assert replace(spec, characters=("x",)).num_classes == 2


def test_a_file_without_a_way_to_resize_is_read_as_before(spec_entries: dict[str, object]) -> None:
    assert spec_entries.pop("resize") == "bilinear"
    read = RecognizerSpec.from_metadata({SPEC_KEY: json.dumps(spec_entries)}, "m.onnx")
    assert read is not None and read.resize == "bilinear"
