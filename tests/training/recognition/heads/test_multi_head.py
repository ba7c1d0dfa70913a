"""MultiHead: what it builds, what it gives with labels and without, and what it refuses."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import paddle
import pytest

from runtime.errors import ConfigError
from training.networks import build_model
from training.recognition.heads import HEADS, MultiHead

K = 8
CTC = {"CTCHead": {"Neck": {"name": "reshape"}, "Head": {"mid_channels": 5, "use_guide": True}}}
NRTR = {"NRTRHead": {"nrtr_dim": 32, "num_decoder_layers": 1, "max_text_length": 25}}
SAR = {"SARHead": {"enc_dim": 6, "d_k": 4, "max_text_length": 25}}


def build(*head_list: Any, in_channels: int = 6, **options: Any) -> MultiHead:
    section = {"name": "MultiHead", "head_list": copy.deepcopy(list(head_list)), **options}
    return HEADS.build(section, "Head", in_channels=in_channels, out_channels=K)


@pytest.fixture
def batch() -> dict[str, paddle.Tensor]:
    return {
        "label_sar": paddle.to_tensor([[8, 3, 4, 8, 9], [8, 1, 8, 9, 9]]),
        "label_gtc": paddle.to_tensor([[2, 7, 8, 3, 0], [2, 5, 3, 0, 0]]),
        "length": paddle.to_tensor([2, 1]),
        "valid_ratio": paddle.to_tensor([1.0, 0.5]),
    }


# Of each shipped config C of the backbone, K, width of the CTC neck, the second head.
_SHIPPED: dict[str, tuple[int, int, int, dict[str, Any]]] = {
    "PP-OCRv3__PP-OCRv3_mobile_rec": (512, 6625, 64, {"SARHead": {"enc_dim": 512}}),
    "PP-OCRv4__PP-OCRv4_mobile_rec": (480, 6625, 120, {"NRTRHead": {"nrtr_dim": 384}}),
    "PP-OCRv4__PP-OCRv4_server_rec": (1024, 6625, 120, {"NRTRHead": {"nrtr_dim": 384}}),
    "PP-OCRv4__ch_PP-OCRv4_rec_svtr_large": (512, 6625, 256, {"NRTRHead": {"nrtr_dim": 512}}),
    "PP-OCRv5__PP-OCRv5_mobile_rec": (480, 6625, 120, {"NRTRHead": {"nrtr_dim": 384}}),
    "PP-OCRv5__PP-OCRv5_server_rec": (2048, 18385, 120, {"NRTRHead": {"nrtr_dim": 384}}),
    "PP-OCRv6__PP-OCRv6_tiny_rec": (160, 6906, 160, {"NRTRHead": {"nrtr_dim": 384}}),
    "PP-OCRv6__PP-OCRv6_small_rec": (384, 18710, 120, {"NRTRHead": {"nrtr_dim": 384}}),
    "PP-OCRv6__PP-OCRv6_medium_rec": (768, 18710, 192, {"NRTRHead": {"nrtr_dim": 512}}),
    "SVTRv2__ch_SVTRv2_rec": (
        384,
        6625,
        256,
        {"NRTRHead": {"nrtr_dim": 384, "num_decoder_layers": 2}},
    ),
}


@pytest.mark.parametrize("config", _SHIPPED)
def test_names_and_shapes_are_paddleocr_s(shared_golden: Path, config: str) -> None:
    folder = shared_golden / "keys_v3_to_v6"
    content = json.loads((folder / f"up2026__rec__{config}.json").read_text("utf-8"))
    if "as" in content:  # as another config's
        content = json.loads((folder / f"{content['as']}.json").read_text("utf-8"))
    in_channels, num_classes, width, second = _SHIPPED[config]
    # Every side from K on is a number of classes; the head is built with fewer, to be quick.
    wanted = {
        name.removeprefix("head."): [
            side - num_classes + K if side >= num_classes else side for side in shape
        ]
        for name, shape in content["keys"].items()
        if name.startswith("head.") and not name.startswith("head.ctc_encoder.")
    }
    options = {"mid_channels": 80, "use_guide": True} if width == in_channels else {}
    neck = {"name": "fc", "hidden_size": width}  # as wide as the shipped neck
    head = build(
        {"CTCHead": {"Neck": neck, "Head": options}},
        second,
        in_channels=in_channels,
        use_pos=config.endswith("svtr_large"),
    )
    got = {
        name: list(tensor.shape)
        for name, tensor in head.state_dict().items()
        if not name.startswith("ctc_encoder.")
    }
    assert got == wanted


@pytest.mark.parametrize("is_training", [True, False])
def test_labels_decide_about_the_second_decoder_whatever_the_mode(
    batch: Any, is_training: bool
) -> None:
    features = paddle.randn([2, 6, 1, 10])
    for second, name, shape in ((SAR, "sar", [2, 5, K + 1]), (NRTR, "gtc", [2, 3, K + 4])):
        head = build(CTC, second)
        (head.train if is_training else head.eval)()
        outputs = head(features, batch)
        assert list(outputs) == ["ctc", "ctc_neck", name]
        assert list(outputs["ctc"].shape) == [2, 10, K]
        assert list(outputs["ctc_neck"].shape) == [2, 10, 6]
        assert list(outputs[name].shape) == shape
        assert list(head(features)) == ["ctc", "ctc_neck"]
        assert list(head(features, {"length": batch["length"]})) == ["ctc", "ctc_neck"]


@pytest.mark.parametrize("second", [SAR, NRTR])
def test_deployment_runs_nothing_of_the_second_decoder(batch: Any, second: Any) -> None:
    head = build(CTC, second)
    head.eval()
    ran = []
    for name, layer in head.named_sublayers():
        layer.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
    features = paddle.randn([2, 6, 1, 10])
    logits = head.logits(features)
    assert {name.split(".")[0] for name in ran} == {"ctc_encoder", "ctc_head"}
    assert bool((head(features, batch)["ctc"] == logits).all())
    expected = {"sar_head"} if second is SAR else {"before_gtc", "gtc_head"}
    assert {name.split(".")[0] for name in ran} == {"ctc_encoder", "ctc_head"} | expected


@pytest.mark.parametrize(
    ("second", "output", "parts"),
    [
        (NRTR, "ctc", {"ctc_head"}),
        (NRTR, "gtc", {"before_gtc", "gtc_head"}),
        (SAR, "sar", {"sar_head"}),
    ],
)
def test_what_learns_from_an_output(batch: Any, second: Any, output: str, parts: Any) -> None:
    head, features = build(CTC, second), paddle.randn([2, 6, 1, 10])
    features.stop_gradient = False
    head(features, batch)[output].square().sum().backward()
    assert float(features.grad.abs().max()) > 0
    for name, parameter in head.named_parameters():
        learns = parameter.trainable and name.split(".")[0] in parts
        assert (parameter.grad is not None) == learns, name


def test_a_sequence_of_three_rows_is_pooled_to_one(batch: Any) -> None:
    head = build(CTC, NRTR, use_pool=True)
    head.eval()
    rows = paddle.randn([2, 6, 3, 20])
    sequence = rows.flatten(2).transpose([0, 2, 1])
    pooled = paddle.nn.functional.avg_pool2d(rows, [3, 2])
    plain = build(CTC, NRTR)
    plain.eval()
    plain.set_state_dict(head.state_dict())
    for name, wanted in plain(pooled, batch).items():
        assert paddle.allclose(head(sequence, batch)[name], wanted, atol=1e-5)


def test_learned_positions_are_added_to_the_first_80_steps(batch: Any) -> None:
    head = build(CTC, NRTR, use_pos=True)
    positions = head.before_gtc[2].dec_pos_embed
    assert list(positions.shape) == [1, 80, 32]
    assert float(positions.std()) == pytest.approx(0.02, rel=0.05)
    features = paddle.randn([2, 6, 1, 10])
    flat = features.squeeze(2).transpose([0, 2, 1])
    wanted = flat @ head.before_gtc[1].fc.weight + positions[:, :10]
    assert head.before_gtc[1].fc.bias is None
    assert paddle.allclose(head.before_gtc(features), wanted, atol=1e-6)
    with pytest.raises(ConfigError, match=r"80 positions.*got 81"):
        head(paddle.randn([2, 6, 1, 81]), batch)


@pytest.mark.parametrize(
    ("use_pool", "shape", "message"),
    [
        (False, [2, 30, 6], "a sequence: expected Head.use_pool to be true, got false"),
        (True, [2, 6, 1, 10], "rows: expected Head.use_pool to be false, got true"),
    ],
)
def test_features_of_another_form_are_refused(use_pool: bool, shape: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(CTC, NRTR, use_pool=use_pool).logits(paddle.randn(shape))


def test_a_network_with_it(batch: Any) -> None:
    section = {
        "model_type": "rec",
        "algorithm": "SVTR_LCNet",
        "return_all_feats": True,
        "Backbone": {"name": "MobileNetV1Enhance", "scale": 0.125},
        "Head": {"name": "MultiHead", "head_list": [CTC, SAR]},
    }
    before = copy.deepcopy(section)
    network = build_model(section, K)
    assert section == before
    images = paddle.randn([2, 3, 32, 40])
    stages = network(images, batch)
    assert bool((stages["neck_out"] == stages["head_out"]["ctc_neck"]).all())
    assert list(stages["head_out"]) == ["ctc", "ctc_neck", "sar"]
    network.eval()
    probabilities = network(images)["head_out"]
    assert list(probabilities.shape) == [2, 10, K]
    assert paddle.allclose(probabilities.sum(axis=2), paddle.ones([2, 10]), atol=1e-5)


_NECK = {"name": "fc", "hidden_size": 4}
_MISTAKES = {
    "no heads": ([], "head_list: expected CTCHead and NRTRHead or SARHead, got none"),
    "CTC alone": ([CTC], "head_list: expected CTCHead and NRTRHead or SARHead, got CTCHead"),
    "two others": ([CTC, SAR, NRTR], "head_list: .*got CTCHead, SARHead, NRTRHead"),
    "no CTC": ([SAR, NRTR], "head_list: .*got SARHead, NRTRHead"),
    "another": ([CTC, {"NRTRhead": None}], r"head_list\.1: unknown head .*did you mean NRTRHead"),
    "bare name": (["CTCHead", SAR], r"head_list\.0: expected one head with its options"),
    "its options": ([CTC, {"SARHead": {"enc_dims": 4}}], r"1\.SARHead\.enc_dims: .*mean enc_dim"),
    "its type": ([CTC, {"SARHead": {"d_k": "a"}}], r"1\.SARHead\.d_k: expected a whole number"),
    "its own rule": ([CTC, {"NRTRHead": {"nrtr_dim": 33}}], r"1\.NRTRHead\.nrtr_dim: expected a"),
    "no Neck": ([{"CTCHead": {"Head": None}}, SAR], r"0\.CTCHead\.Neck: expected a mapping with"),
    "no options": ([{"CTCHead": None}, SAR], r"0\.CTCHead: expected Neck and Head, got None"),
    "key": ([{"CTCHead": {"Neck": _NECK, "Hed": {}}}, SAR], r"CTCHead\.Hed: .*did you mean Head"),
    "neck's name": ([{"CTCHead": {"Neck": {"name": "f"}}}, SAR], r"0\.CTCHead\.Neck\.name: "),
    "neck's type": (
        [{"CTCHead": {"Neck": {"name": "fc", "encoder_type": "fc"}}}, SAR],
        r"0\.CTCHead\.Neck\.encoder_type: ",
    ),
    "neck's option": (
        [{"CTCHead": {"Neck": {"name": "fc", "hidden_siz": 4}}}, SAR],
        r"CTCHead\.Neck\.hidden_siz: .*did you mean hidden_size",
    ),
    "neck's own rule": (
        [{"CTCHead": {"Neck": {"name": "cascadernn", "out_channels": [1, 2, 3]}}}, SAR],
        r"CTCHead\.Neck\.out_channels: cascadernn: expected 2 widths",
    ),
    "head's option": (
        [{"CTCHead": {"Neck": _NECK, "Head": {"mid_channel": 4}}}, SAR],
        r"CTCHead\.Head\.mid_channel: .*did you mean mid_channels",
    ),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_mistakes_are_named_with_their_place(mistake: str) -> None:
    head_list, message = _MISTAKES[mistake]
    with pytest.raises(ConfigError, match=message) as caught:
        build(*head_list)
    assert str(caught.value).startswith("Head.head_list")
    with pytest.raises(ConfigError, match=r"^MultiHead\.head_list"):
        MultiHead(6, K, head_list)


def test_all_mistakes_at_once() -> None:
    heads = [{"CTCHead": {"Neck": {"name": "f"}, "Head": {"a": 1}}}, {"SARHead": {"b": 1}}]
    with pytest.raises(ConfigError) as caught:
        build(*heads)
    assert len(str(caught.value).splitlines()) == 3
