"""Backbones by PaddleOCR's names: image [N, 3, H, W] -> features [N, C, 1, T]."""

from training.backbones.mobilenet_v1_enhance import MobileNetV1Enhance
from training.backbones.mobilenet_v3 import MobileNetV3
from training.backbones.pplcnet_v4 import PPLCNetV4
from training.backbones.rep_svtr import RepSVTR
from training.registry import Registry

BACKBONES = Registry(
    "backbone",
    {
        "MobileNetV1Enhance": MobileNetV1Enhance,
        "MobileNetV3": MobileNetV3,
        "PPLCNetV4": PPLCNetV4,
        "RepSVTR": RepSVTR,
    },
    injected=frozenset({"in_channels"}),
)
