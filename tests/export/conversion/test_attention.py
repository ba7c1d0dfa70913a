"""Networks with attention keep batch and width open, and compute what paddle does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import paddle
import pytest

from export.conversion.convert import convert
from export.conversion.program import save_program
from runtime.errors import ArtifactError
from runtime.recognition.spec import RecognizerSpec, WidthPolicy
from training.recognition.backbones import BACKBONES
from training.recognition.heads.ctc_head import CTCHead
from training.recognition.necks import SequenceEncoder
from training.recognition.network import RecognitionNetwork

CHARACTERS = tuple("0123456789")
SVTRNET: dict[str, Any] = {
    "name": "SVTRNet",
    "img_size": [48, 64],
    "embed_dim": [8, 12, 16],
    "depth": [1, 1, 1],
    "num_heads": [2, 4, 4],
    "mixer": ["Local", "Conv", "Global"],
    "local_mixer": [[3, 5]] * 3,
    "patch_merging": "Pool",
    "out_char_num": 5,
    "out_channels": 16,
}
SVTRV2: dict[str, Any] = {
    "name": "SVTRv2",
    "dims": [8, 12, 16],
    "depths": [1, 2, 1],
    "num_heads": [2, 4, 4],
    "mixer": [["Conv"], ["Conv", "Global"], ["Global"]],
    "sub_k": [[2, 1], [2, 1], [-1, -1]],
    "use_pos_embed": True,
    "max_sz": [48, 160],
    "use_pool": True,
}


def network_of(backbone: dict[str, Any], **neck: Any) -> RecognitionNetwork:
    paddle.seed(4)
    built = BACKBONES.build(backbone, "Backbone", in_channels=3)
    encoder = SequenceEncoder(built.out_channels, **neck)
    network = RecognitionNetwork(built, encoder, CTCHead(encoder.out_channels, 11))
    network.eval()
    return network


def differences(
    network: RecognitionNetwork, width: WidthPolicy, sizes: list[tuple[int, int]], folder: Path
) -> list[float]:
    """Export a network and return how far it is from paddle at each batch size and width."""
    spec = RecognizerSpec(CHARACTERS, height=48, width=width)
    model = convert(save_program(network, spec, folder), spec)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    generator = np.random.default_rng(6)
    found = []
    for batch_size, image_width in sizes:
        images = generator.normal(size=(batch_size, 3, 48, image_width)).astype(np.float32)
        (got,) = session.run(None, {spec.input_name: images})
        wanted = network.deployed(paddle.to_tensor(images)).numpy()
        assert got.shape == wanted.shape
        found.append(float(np.abs(got - wanted).max()))
    return found


@pytest.mark.parametrize(
    "neck",
    [
        {"encoder_type": "svtr", "dims": 8, "hidden_dims": 16, "use_guide": True},
        {"encoder_type": "lightsvtr", "dims": 16, "use_guide": True},
    ],
)
def test_svtrv2_and_the_necks_take_any_batch_and_width(
    neck: dict[str, Any], tmp_path: Path
) -> None:
    network = network_of(SVTRV2, **neck)
    sizes = [(1, 64), (3, 104), (2, 160)]
    assert max(differences(network, WidthPolicy(), sizes, tmp_path)) < 1e-6


def test_svtrnet_takes_any_batch_of_its_width(tmp_path: Path) -> None:
    network = network_of(SVTRNET, encoder_type="reshape")
    assert max(differences(network, WidthPolicy(64, 64, 64), [(1, 64), (3, 64)], tmp_path)) < 1e-6


def test_svtrnet_with_its_width_left_open_is_named(tmp_path: Path) -> None:
    network = network_of(SVTRNET, encoder_type="reshape")
    spec = RecognizerSpec(CHARACTERS, height=48)
    with pytest.raises(ArtifactError, match=r"expected img_size 48 x 64 px.*got 48 x any"):
        save_program(network, spec, tmp_path)
