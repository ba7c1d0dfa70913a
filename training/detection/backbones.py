"""Backbones of text detection by PaddleOCR's names: features at strides 4, 8, 16 and 32."""

from training.backbones.mobilenet_v3 import MobileNetV3MultiScale
from training.backbones.pphgnet import PPHGNetMultiScale
from training.backbones.pphgnet_v2 import PPHGNetV2MultiScale
from training.backbones.pplcnet_v3 import PPLCNetV3MultiScale
from training.backbones.pplcnet_v4 import PPLCNetV4MultiScale
from training.backbones.resnet_vd import ResNetVd
from training.registry import Registry

BACKBONES = Registry(
    "backbone",
    {
        "MobileNetV3": MobileNetV3MultiScale,
        "PPHGNetV2_B4": PPHGNetV2MultiScale,
        "PPHGNet_small": PPHGNetMultiScale,
        "PPLCNetV3": PPLCNetV3MultiScale,
        "PPLCNetV4": PPLCNetV4MultiScale,
        "ResNet_vd": ResNetVd,
    },
    injected=frozenset({"in_channels"}),
    # PaddleOCR's configs repeat `in_channels`, which the network's own replaces.
    unused=frozenset(
        {"disable_se", "dropout_prob", "in_channels", "mode", "pretrained", "use_ssld"}
    ),
)
