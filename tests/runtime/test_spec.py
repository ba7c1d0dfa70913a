import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ArtifactError
from runtime.spec import SPEC_KEY, RecognizerSpec, WidthPolicy

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
        ({"width": {"step": 1}}, "damaged"),
        ({"width": 3}, "damaged"),
        ({"characters": None}, "damaged"),
        ({"height": 0}, "height cannot be 0"),
        ({"channels": 2}, "channels cannot be 2"),
        ({"color_order": "HSV"}, "color_order cannot be 'HSV'"),
        ({"std": 0}, "std cannot be 0"),
        ({"blank_index": 5}, "blank_index cannot be 5"),
        ({"output_activation": "relu"}, "output_activation cannot be 'relu'"),
    ],
)
def test_a_damaged_spec_is_refused(
    spec_entries: dict[str, object], change: dict[str, object], reason: str
) -> None:
    metadata = {SPEC_KEY: json.dumps({**spec_entries, **change})}
    with pytest.raises(ArtifactError, match=reason):
        RecognizerSpec.from_metadata(metadata, "m.onnx")


def test_metadata_that_is_no_json_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"m\.onnx.*damaged"):
        RecognizerSpec.from_metadata({SPEC_KEY: "{"}, "m.onnx")


def test_charset_and_classes_agree(spec: RecognizerSpec) -> None:
    assert spec.num_classes == spec.charset.num_classes
    assert replace(spec, characters=("x",)).num_classes == 2
