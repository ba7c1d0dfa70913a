"""Backbones by PaddleOCR's names: image [N, 3, H, W] -> features [N, C, 1, T]."""

from training.backbones.mobilenet_v1_enhance import MobileNetV1Enhance
from training.backbones.mobilenet_v3 import MobileNetV3
from training.backbones.svtrnet import SVTRNet
from training.backbones.svtrv2 import SVTRv2
from training.registry import Registry

BACKBONES = Registry(
    "backbone",
    {
        "MobileNetV1Enhance": MobileNetV1Enhance,
        "MobileNetV3": MobileNetV3,
        "SVTRNet": SVTRNet,
        "SVTRv2": SVTRv2,
    },
    injected=frozenset({"in_channels"}),
    unused=frozenset({"local_k"}),
)
