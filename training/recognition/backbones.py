"""Backbones of text recognition by PaddleOCR's names: image [N, 3, H, W] -> [N, C, 1, T]."""

from training.backbones.mobilenet_v1_enhance import MobileNetV1Enhance
from training.backbones.mobilenet_v3 import MobileNetV3
from training.backbones.pphgnet import PPHGNet
from training.backbones.pphgnet_v2 import PPHGNetV2
from training.backbones.pplcnet_v3 import PPLCNetV3
from training.backbones.pplcnet_v4 import PPLCNetV4
from training.backbones.rep_svtr import RepSVTR
from training.backbones.svtrnet import SVTRNet
from training.backbones.svtrv2 import SVTRv2
from training.registry import Registry

BACKBONES = Registry(
    "backbone",
    {
        "MobileNetV1Enhance": MobileNetV1Enhance,
        "MobileNetV3": MobileNetV3,
        "PPHGNetV2_B4": PPHGNetV2,
        "PPHGNet_small": PPHGNet,
        "PPLCNetV3": PPLCNetV3,
        "PPLCNetV4": PPLCNetV4,
        "RepSVTR": RepSVTR,
        "SVTRNet": SVTRNet,
        "SVTRv2": SVTRv2,
    },
    injected=frozenset({"in_channels"}),
    unused=frozenset({"dropout_prob", "local_k", "pretrained", "use_ssld"}),
)
