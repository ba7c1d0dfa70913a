"""Decoding by PaddleOCR's names."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import paddle
import pytest

from runtime.errors import ConfigError
from training import build_post_process
from training.recognition.decode import CTCLabelDecode, DistillationCTCLabelDecode


def test_text_and_confidence_of_every_network_are_paddleocr_s(golden: Any) -> None:
    section = copy.deepcopy(golden.config["PostProcess"])
    decode = build_post_process(section, golden.config["Global"])
    assert section == golden.config["PostProcess"]
    assert isinstance(decode, DistillationCTCLabelDecode)
    decoded = decode(golden.outputs("eval"), golden.arrays["label"])
    assert list(decoded) == ["Student", "Teacher"]
    for network, wanted in golden.expected["decode"].items():
        lines, labels = decoded[network]
        assert [text for text, _ in lines] == [text for text, _ in wanted]
        assert [score for _, score in lines] == pytest.approx([score for _, score in wanted])
        assert labels == [(text, 1.0) for text in golden.expected["labels"]]


def probabilities(*steps: int) -> np.ndarray[Any, Any]:
    return np.eye(37, dtype=np.float32)[None, list(steps)]


def test_one_network_with_and_without_labels() -> None:
    decode = build_post_process({"name": "CTCLabelDecode"}, {})
    assert isinstance(decode, CTCLabelDecode)
    assert decode(probabilities(1, 1, 0, 1, 11)) == [("00a", 1.0)]
    assert decode(probabilities(0, 0)) == [("", 0.0)]
    lines, labels = decode(paddle.to_tensor(probabilities(5)), np.array([[5, 11, 0, 0]]))
    assert (lines, labels) == ([("4", 1.0)], [("4a", 1.0)])


def test_of_features_and_logits_the_logits_are_read() -> None:
    decode = build_post_process({"name": "CTCLabelDecode"}, {})
    assert decode((probabilities(3), probabilities(4)))[0][0] == "3"


def test_of_several_decoders_that_of_ctc_is_read() -> None:
    outputs = {"ctc": probabilities(3), "ctc_neck": np.zeros((1, 1, 5)), "gtc": probabilities(7)}
    assert build_post_process({"name": "CTCLabelDecode"}, {})(outputs)[0][0] == "2"
    outputs["ctc"] = (np.zeros((1, 1, 4)), probabilities(4))  # features beside the logits
    section = {"name": "DistillationCTCLabelDecode", "model_name": ["a"], "key": "head_out"}
    decoded = build_post_process(section, {})({"a": {"head_out": outputs}})
    assert decoded["a"][0][0] == "3"


def test_one_name_in_place_of_a_list_and_no_key() -> None:
    section = {"name": "DistillationCTCLabelDecode", "model_name": "Student"}
    decode = build_post_process(section, {"use_space_char": True})
    assert decode({"Student": probabilities(2)[..., :37]}) == {"Student": [("1", 1.0)]}


def test_space_is_the_last_class(golden: Any) -> None:
    dictionary = golden.config["Global"]["character_dict_path"]
    section = {"name": "CTCLabelDecode"}
    given = {"character_dict_path": dictionary}
    with_space = build_post_process(section, {**given, "use_space_char": True}).charset
    without = build_post_process(section, {**given, "use_space_char": None}).charset
    assert with_space.num_classes == without.num_classes + 1 == 40
    assert with_space.characters == (*without.characters, " ")


def test_without_a_dictionary_there_is_no_space() -> None:
    # As PaddleOCR: use_space_char counts only beside a dictionary.
    decode = build_post_process({"name": "CTCLabelDecode"}, {"use_space_char": True})
    assert decode.charset.num_classes == 37


def test_unknown_name_and_key_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"NRTRLabelDecode.*did you mean CTCLabelDecode"):
        build_post_process({"name": "NRTRLabelDecode"}, {})
    with pytest.raises(ConfigError, match="did you mean model_name"):
        build_post_process({"name": "DistillationCTCLabelDecode", "model_names": ["a"]}, {})


def test_missing_dictionary() -> None:
    with pytest.raises(ConfigError, match=r"none\.txt"):
        build_post_process({"name": "CTCLabelDecode"}, {"character_dict_path": "none.txt"})
